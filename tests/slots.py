"""Replication slots as tests break them."""

import psycopg

from tests.people import wait_for


def drop_slot(superuser_url: str, slot: str) -> None:
    """Ends whoever streams with the slot, again and again until it can be dropped."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:

        def dropped() -> bool:
            try:
                connection.execute(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                    " WHERE slot_name = %s AND active",
                    [slot],
                )
                connection.execute("SELECT pg_drop_replication_slot(%s)", [slot])
            except psycopg.errors.ObjectInUse:
                return False
            return True

        wait_for(f"slot {slot} is dropped", dropped)
