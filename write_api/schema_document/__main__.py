"""Prints the description of a migrated database: `python -m write_api.schema_document > docs/schema.md`."""

import sys

import psycopg

from service_kit.database import connection_url
from write_api.migrate import MigrateSettings
from write_api.schema_document import describe_schema


def main() -> int:
    """Prints the description of the database at FRONTROW_OWNER_DATABASE; returns 1 where it can't."""
    try:
        url = connection_url(MigrateSettings().owner_database, application_name="frontrow-schema")
        with psycopg.connect(url, autocommit=True) as connection:
            sys.stdout.write(describe_schema(connection))
    except (ValueError, psycopg.Error) as error:
        sys.stderr.write(f"schema_document: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
