"""The tables of the catalogue: venues, artists, events, their artists and ticket types."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from contracts.booking_policy import BookingPolicy
from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.catalogue.drafts import EventDraft, Place


class CatalogueStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.catalogue")

    async def allow_long_statements(self, connection: Connection) -> None:
        """Gives the statements of this transaction 20 s each."""
        await connection.execute(self._queries["allow_long_statement"])

    async def venue_ids(
        self, connection: Connection, host_id: int, places: Iterable[Place]
    ) -> dict[Place, int]:
        """The host's venues at these places, made where they are missing."""
        ordered = sorted(set(places), key=lambda place: [(part is not None, part) for part in place])
        if not ordered:
            return {}
        columns = [list(column) for column in zip(*ordered, strict=True)]
        names = ("names", "cities", "countries", "latitudes", "longitudes", "time_zones")
        parameters: dict[str, Any] = {"host_id": host_id, **dict(zip(names, columns, strict=True))}
        await connection.execute(self._queries["insert_venues"], parameters)
        rows = await (await connection.execute(self._queries["select_venues"], parameters)).fetchall()
        return {Place(**{name: row[name] for name in Place._fields}): row["id"] for row in rows}

    async def artist_ids(self, connection: Connection, names: Iterable[str]) -> dict[str, int]:
        """The artists of these names, made where they are missing."""
        parameters = {"names": sorted(set(names))}
        if not parameters["names"]:
            return {}
        await connection.execute(self._queries["insert_artists"], parameters)
        rows = await (await connection.execute(self._queries["select_artists"], parameters)).fetchall()
        return {row["name"]: row["id"] for row in rows}

    async def insert_events(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> list[int | None]:
        """The ids of the new events in the order of `rows`; None where its import reference is known."""
        return await self._insert_each(connection, "insert_event", rows)

    async def insert_ticket_types(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> list[int]:
        """The ids of the new ticket types in the order of `rows`."""
        ids = await self._insert_each(connection, "insert_ticket_type", rows)
        return [ticket_type_id for ticket_type_id in ids if ticket_type_id is not None]

    async def ticket_types(self, connection: Connection, event_id: int) -> list[Row]:
        """The ticket types of an event that the caller has locked, in its order."""
        cursor = await connection.execute(self._queries["select_ticket_types"], {"event_id": event_id})
        return await cursor.fetchall()

    async def update_ticket_type(self, connection: Connection, columns: Mapping[str, Any]) -> None:
        """Writes what a host may change. Raises psycopg.errors.UniqueViolation where the name is taken."""
        await connection.execute(self._queries["update_ticket_type"], columns)

    async def touch_event(self, connection: Connection, event_id: int) -> None:
        """Something that belongs to it has changed."""
        await connection.execute(self._queries["touch_event"], {"event_id": event_id})

    async def imported(
        self, connection: Connection, organisation_id: int, drafts: Iterable[EventDraft]
    ) -> dict[str, int]:
        """The ids of the organisation's events by import reference, of those that the drafts have."""
        references = [draft.import_reference for draft in drafts if draft.import_reference is not None]
        parameters = {"organisation_id": organisation_id, "references": references}
        rows = await (await connection.execute(self._queries["select_imported"], parameters)).fetchall()
        return {row["import_reference"]: row["id"] for row in rows}

    async def insert_event_artists(
        self, connection: Connection, artists_of_event: Mapping[int, Sequence[int]]
    ) -> None:
        """Who appears at which event, in order: artist ids by event id."""
        rows = [
            (event_id, position, artist_id)
            for event_id, artist_ids in artists_of_event.items()
            for position, artist_id in enumerate(artist_ids, start=1)
        ]
        if rows:
            event_ids, positions, artist_ids = (list(column) for column in zip(*rows, strict=True))
            await connection.execute(
                self._queries["insert_event_artists"],
                {"event_ids": event_ids, "positions": positions, "artist_ids": artist_ids},
            )

    async def delete_event_artists(self, connection: Connection, event_id: int) -> None:
        """Removes all artists from an event."""
        await connection.execute(self._queries["delete_event_artists"], {"event_id": event_id})

    async def insert_policies(
        self, connection: Connection, policies: Sequence[tuple[int, BookingPolicy]]
    ) -> None:
        """The first policies of new events, by their ids."""
        rows = [_policy_columns(event_id, policy) for event_id, policy in policies]
        if rows:
            async with connection.cursor() as cursor:
                await cursor.executemany(self._queries["insert_policy"], rows)

    async def policy_version(self, connection: Connection, event_id: int, policy: BookingPolicy) -> int:
        """The version of the event, which the caller has locked, that says this; made where it is new."""
        parameters = _policy_columns(event_id, policy)
        found = await (await connection.execute(self._queries["find_policy"], parameters)).fetchone()
        if found is None:
            found = await (await connection.execute(self._queries["insert_policy"], parameters)).fetchone()
        assert found is not None  # noqa: S101 - INSERT RETURNING without conflict clause
        version: int = found["version"]
        return version

    async def lock_event(self, connection: Connection, event_id: int) -> Row | None:
        """The event's own columns, locked until the end of the transaction; None where there is none."""
        await connection.execute(self._queries["lead_queue_of_event"], {"event_id": event_id})
        cursor = await connection.execute(self._queries["lock_event"], {"event_id": event_id})
        return await cursor.fetchone()

    async def update_event(self, connection: Connection, event_id: int, columns: Mapping[str, Any]) -> None:
        """Writes the columns that a host may change."""
        await connection.execute(self._queries["update_event"], {**columns, "event_id": event_id})

    async def document(self, connection: Connection, event_id: int) -> Row | None:
        """The event's row of `read_side.event_documents`."""
        cursor = await connection.execute(self._queries["select_document"], {"event_id": event_id})
        return await cursor.fetchone()

    async def deactivate(self, connection: Connection, event_id: int) -> None:
        """Takes an event off sale, and keeps it off."""
        await connection.execute(self._queries["deactivate"], {"event_id": event_id})

    async def allow_activation(self, connection: Connection, event_id: int) -> None:
        """Lets an event be put on sale again."""
        await connection.execute(self._queries["allow_activation"], {"event_id": event_id})

    async def is_host(self, connection: Connection, event_id: int, person_id: int) -> bool:
        """Whether a person is owner or staff of the event's organisation."""
        parameters = {"event_id": event_id, "person_id": person_id}
        return await (await connection.execute(self._queries["is_host"], parameters)).fetchone() is not None

    async def _insert_each(
        self, connection: Connection, name: str, rows: Sequence[Mapping[str, Any]]
    ) -> list[int | None]:
        """One INSERT a row, sent together (pipelined); the id that each returned, if it did."""
        ids: list[int | None] = []
        if not rows:
            return ids
        async with connection.cursor() as cursor:
            await cursor.executemany(self._queries[name], rows, returning=True)
            while True:
                row = await cursor.fetchone()
                ids.append(None if row is None else row["id"])
                if not cursor.nextset():
                    return ids


def _policy_columns(event_id: int, policy: BookingPolicy) -> dict[str, Any]:
    columns = policy.model_dump(exclude={"version"})
    return {**columns, "event_id": event_id, "refund_policy": Jsonb(columns["refund_policy"])}
