"""Makes the roles and the database that everything else expects, from `regions/bootstrap.sql`."""

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from regions.local.named_queries import QUERIES
from service_kit.named_sql import parse_queries

BOOTSTRAP_FILE = Path(__file__).resolve().parents[1] / "bootstrap.sql"
IN_DATABASE = frozenset({"allow_standby_snapshots"})
"""Statements about objects inside the platform's database; all others are about the whole cluster."""

Connection = psycopg.Connection[tuple[object, ...]]


def bootstrap(connection: Connection, database: str, passwords: Mapping[str, str]) -> None:
    """Make roles and database on the primary, through a superuser's autocommit connection; idempotent."""
    statements = parse_queries(BOOTSTRAP_FILE.read_text(encoding="utf-8"))
    # These statements take no parameters, so passwords go in as literals.
    literals = {role: sql.Literal(password) for role, password in passwords.items()}
    for name, statement in statements.items():
        if name not in IN_DATABASE:
            connection.execute(sql.SQL(statement).format(**literals))
    if not connection.execute(QUERIES["database_exists"], {"database": database}).fetchone():
        connection.execute(sql.SQL(QUERIES["create_database"]).format(database=sql.Identifier(database)))


def bootstrap_database(connection: Connection) -> None:
    """Grant what is granted inside the platform's database, through a superuser's connection to it."""
    statements = parse_queries(BOOTSTRAP_FILE.read_text(encoding="utf-8"))
    for name in IN_DATABASE:
        connection.execute(statements[name])
