"""Brings the schema up to date: `python -m write_api.migrate` exits 0 when it is current.

Each file of `migrations/` is named `NNNN_pre_name.sql` (applied before the new code runs) or
`NNNN_post_name.sql` (after), and is applied once, in its own transaction, together with the row that records
it. A file that was applied is never edited or removed afterwards: its checksum is compared each time.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import psycopg
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_kit.database import connection_url

Phase = Literal["pre", "post"]

MIGRATIONS_FOLDER = Path(__file__).with_name("migrations")
LOCK_WAIT_SECONDS = 120  # as long as another run of this command may take
TABLE_LOCK_SECONDS = 5  # a migration that waits for a table blocks whoever comes after it: give up soon
STATEMENT_SECONDS = 120
_ADVISORY_LOCK = 0x66726F6E74726F77  # "frontrow" in ASCII
_FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<phase>pre|post)_[a-z0-9_]+\.sql")

_RECORD_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    file_name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class MigrateSettings(BaseSettings):
    """Settings of the migration command, from the environment."""

    model_config = SettingsConfigDict(env_prefix="FRONTROW_", frozen=True, hide_input_in_errors=True)

    owner_database: str = Field(description="libpq URL of the primary, as the owner of the schema.")


class MigrationError(Exception):
    """The schema can't be brought up to date; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: what it does, and when in a release it runs."""

    file_name: str
    phase: Phase
    statements: str
    sha256: str


@dataclass(slots=True)
class MigrationReport:
    """What a run did: files applied now, files that were there already, files left for another phase."""

    applied: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


def read_migrations(folder: Path = MIGRATIONS_FOLDER) -> list[Migration]:
    """All migrations of a folder in the order of their numbers. Raises MigrationError on a bad name."""
    migrations: list[Migration] = []
    for position, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named NNNN_pre_name.sql or NNNN_post_name.sql")
        if int(match["number"]) != position:
            raise MigrationError(f"{path.name} should have number {position:04}: no gaps, no duplicates")
        text = path.read_bytes()
        phase: Phase = "pre" if match["phase"] == "pre" else "post"
        migrations.append(Migration(path.name, phase, text.decode("utf-8"), hashlib.sha256(text).hexdigest()))
    return migrations


def migrate(
    database_url: str, migrations: Sequence[Migration], *, only: Phase | None = None
) -> MigrationReport:
    """Applies what is missing, of one phase or of both, and reports. Two runs at once take turns.

    Raises MigrationError where an applied file was changed or removed, psycopg.Error where a statement fails
    (that file's transaction is rolled back, those before it stay).
    """
    report = MigrationReport()
    with _locked_connection(database_url) as connection:
        connection.execute(_RECORD_TABLE)
        applied = dict(connection.execute("SELECT file_name, sha256 FROM schema_migrations").fetchall())
        _check_history(migrations, applied)
        for migration in migrations:
            if migration.file_name in applied:
                report.already.append(migration.file_name)
            elif only is not None and migration.phase != only:
                report.pending.append(migration.file_name)
            else:
                _apply(connection, migration)
                report.applied.append(migration.file_name)
    return report


@contextmanager
def _locked_connection(database_url: str) -> Iterator[psycopg.Connection[tuple[str, str]]]:
    """A connection that holds the advisory lock of migrations; the lock ends with it."""
    url = connection_url(
        database_url,
        application_name="frontrow-migrate",
        session_settings={
            "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
            "client_min_messages": "warning",
            # A file that a failover loses is applied again at the new primary; waiting would hold its locks.
            "synchronous_commit": "local",
        },
    )
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        except psycopg.errors.LockNotAvailable:
            raise MigrationError(f"another migration has been running for {LOCK_WAIT_SECONDS} s") from None
        connection.execute(f"SET lock_timeout = '{TABLE_LOCK_SECONDS}s'")
        connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        yield connection


def _check_history(migrations: Sequence[Migration], applied: dict[str, str]) -> None:
    known = {migration.file_name: migration.sha256 for migration in migrations}
    for file_name, sha256 in sorted(applied.items()):
        if file_name not in known:
            raise MigrationError(
                f"{file_name} was applied to this database but is not in this version of the code: "
                "run the version that has it"
            )
        if known[file_name] != sha256:
            raise MigrationError(
                f"{file_name} was changed after it was applied: restore it, and put the change in a new file"
            )


def _apply(connection: psycopg.Connection[tuple[str, str]], migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.statements.encode())
        connection.execute(
            "INSERT INTO schema_migrations (file_name, sha256) VALUES (%s, %s)",
            (migration.file_name, migration.sha256),
        )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m write_api.migrate",
        description="Bring the schema up to date. Reads FRONTROW_OWNER_DATABASE, a libpq URL of the primary.",
    )
    parser.add_argument("--only", choices=("pre", "post"), help="apply the files of this phase alone")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0 when done, 1 with a message on stderr when not."""
    options = _arguments(arguments)
    try:
        settings = MigrateSettings()
        report = migrate(settings.owner_database, read_migrations(), only=options.only)
    except ValidationError:
        sys.stderr.write("migrate: FRONTROW_OWNER_DATABASE is not set\n")
        return 1
    except (MigrationError, psycopg.Error) as error:
        sys.stderr.write(f"migrate: {str(error).strip()}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
    else:
        for file_name in report.applied:
            sys.stdout.write(f"applied {file_name}\n")
        left = f", {len(report.pending)} left for the other phase" if report.pending else ""
        sys.stdout.write(f"{len(report.applied)} applied, {len(report.already)} were there{left}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
