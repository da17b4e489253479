"""What the catalogue decides: what a new event becomes, who may change one, and how."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from pydantic import BaseModel, ValidationError

from contracts import problems
from contracts.event import Event, event_from_row, may_see
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool, Row
from service_kit.problem_responses import Problem, problem_body, validation_problem
from write_api.audit_log import AuditLog, actor_of
from write_api.catalogue.drafts import EventDraft, draft_of, place_of
from write_api.catalogue.policies import policy_of
from write_api.catalogue.refusals import hosted, invalid_field
from write_api.catalogue.schemas import BulkResult, EventBulk, EventCreate, EventUpdate
from write_api.catalogue.status import action_of, may_become
from write_api.catalogue.store import CatalogueStore
from write_api.idempotency import IdempotentRequests, keyed
from write_api.organisation_access import OrganisationAccess
from write_api.seat_blocks import SeatBlock, SeatSupply

MAX_SEATS_PER_BULK = 100_000
_NOT_THE_HOSTS = frozenset({"id", "organisation_id", "currency", "deactivated_at"})

# What only one event of many can be to blame for; anything else concerns them all.
_ONE_EVENTS_FAULT = (psycopg.DataError, psycopg.IntegrityError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a draft: a new event, or one with the same import reference that was there."""

    event_id: int
    status: Literal["created", "existing"]


class _KeptEvent(BaseModel):
    """What was answered to a request with a key."""

    event: Event
    is_new: bool


class CatalogueService:
    """Creates and updates events. Lock order: event, venues by name, artists by name."""

    def __init__(
        self,
        pool: Pool,
        store: CatalogueStore,
        audit_log: AuditLog,
        organisations: OrganisationAccess,
        supply: SeatSupply,
        *,
        requests: IdempotentRequests,
    ) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log
        self._organisations = organisations
        self._make_seats = supply.make_seats
        self._requests = requests

    async def create(
        self, host: Identity, body: EventCreate, *, idempotency_key: str | None = None
    ) -> tuple[Event, bool]:
        """Makes the event with its seats; tells if it is new, as it was then where the request was repeated.

        Raises Problem FORBIDDEN, IDEMPOTENCY_KEY_REUSED, CONFLICT, psycopg.Error.
        """
        request = keyed(host.person_id, "create-event", idempotency_key, body)
        async with self._pool.connection() as connection, connection.transaction():
            answered = await self._requests.first_answer(connection, request)
            if answered is not None:
                known = _KeptEvent.model_validate_json(answered)
                return known.event, known.is_new
            [outcome] = await self._create(connection, host, [draft_of(body)])
            event, is_new = await self._event(connection, outcome.event_id), outcome.status == "created"
            await self._requests.keep(connection, request, _KeptEvent(event=event, is_new=is_new))
            return event, is_new

    async def create_bulk(self, host: Identity, body: EventBulk) -> list[BulkResult]:
        """Makes many events, each for itself. Raises Problem INVALID_REQUEST with too many seats in all.

        One transaction for all that are valid: a tenth of the cost of one for each. Only where that fails for
        a reason that lies in one event are they made one by one, so that this one alone is refused. There are
        no savepoints: beyond 64 of them in a transaction, snapshots overflow and standbys pay for it.
        """
        results: dict[int, BulkResult] = {}
        drafts: dict[int, EventDraft] = {}
        for index, item in enumerate(body.events):
            try:
                drafts[index] = draft_of(EventCreate.model_validate(item))
            except ValidationError as error:
                located = [
                    {**wrong, "loc": ("body", "events", index, *wrong["loc"])} for wrong in error.errors()
                ]
                results[index] = _refused(index, validation_problem(located))
        seats = sum(draft.seats for draft in drafts.values())
        if seats > MAX_SEATS_PER_BULK:
            raise Problem(
                problems.INVALID_REQUEST,
                f"The events have {seats} seats in all; at most {MAX_SEATS_PER_BULK} are taken at once.",
            )
        try:
            results.update(await self._create_together(host, drafts))
        except (*_ONE_EVENTS_FAULT, Problem):
            for index, draft in drafts.items():
                results[index] = await self._create_alone(host, index, draft)
        return [results[index] for index in sorted(results)]

    async def update(self, host: Identity, event_id: int, body: EventUpdate) -> Event:
        """Changes an event of an organisation of which the person is owner or staff.

        Raises Problem NOT_FOUND, FORBIDDEN, CONFLICT, INVALID_REQUEST.
        """
        async with self._pool.connection() as connection, connection.transaction():
            row = await self._store.lock_event(connection, event_id)
            before = await hosted(self._organisations, connection, host, row, event_id)
            columns = _merged(before, body)
            place = place_of(body.location, body.venue, columns["time_zone"])
            if place is not None:
                venues = await self._store.venue_ids(connection, host.person_id, [place])
                columns["venue_id"] = venues[place]
            if "policy" in body.model_fields_set:
                policy = policy_of(body.policy)
                columns["policy_version"] = (
                    0 if policy is None else await self._store.policy_version(connection, event_id, policy)
                )
            document = await self._store.document(connection, event_id)
            artists_change = body.artists is not None and document and body.artists != document["artists"]
            if artists_change and body.artists is not None:
                await self._store.delete_event_artists(connection, event_id)
                ids = await self._store.artist_ids(connection, body.artists)
                await self._store.insert_event_artists(
                    connection, {event_id: [ids[name] for name in body.artists]}
                )
            if artists_change or any(columns[name] != before[name] for name in columns):
                await self._store.update_event(connection, event_id, columns)
                await self._record_change(connection, host, event_id, before, columns)
            return await self._event(connection, event_id)

    async def page(self, event_id: int, *, viewer_id: int | None) -> Event:
        """The event, if `viewer_id` may see it. Raises Problem NOT_FOUND."""
        async with self._pool.connection() as connection:
            row = await self._store.document(connection, event_id)
            is_host = viewer_id is not None and await self._store.is_host(connection, event_id, viewer_id)
        if row is None or not may_see(row["status"], is_host=is_host):
            raise Problem(problems.NOT_FOUND, "There is no such event.")
        return event_from_row(row)

    async def _create_together(self, host: Identity, drafts: dict[int, EventDraft]) -> dict[int, BulkResult]:
        async with self._pool.connection() as connection, connection.transaction():
            outcomes = await self._create(connection, host, list(drafts.values()))
        return {
            index: BulkResult(index=index, status=outcome.status, id=outcome.event_id, problem=None)
            for index, outcome in zip(drafts, outcomes, strict=True)
        }

    async def _create_alone(self, host: Identity, index: int, draft: EventDraft) -> BulkResult:
        try:
            return (await self._create_together(host, {index: draft}))[index]
        except Problem as problem:
            return _refused(index, problem)
        except _ONE_EVENTS_FAULT:
            return _refused(index, Problem(problems.INVALID_REQUEST, "The database refuses this event."))

    async def _create(
        self, connection: Connection, host: Identity, drafts: Sequence[EventDraft]
    ) -> list[Outcome]:
        """Makes the drafts' events with all that belongs to them, within the caller's transaction."""
        await self._store.allow_long_statements(connection)
        organisations = await self._hosting(connection, host, {draft.organisation_id for draft in drafts})
        venues = await self._store.venue_ids(
            connection, host.person_id, [draft.place for draft in drafts if draft.place is not None]
        )
        artists = await self._store.artist_ids(
            connection, [name for draft in drafts for name in draft.artists]
        )
        # By reference, so that two requests which share some of them wait in one order, not for each other.
        owners = [organisations[draft.organisation_id] for draft in drafts]
        order = sorted(
            range(len(drafts)), key=lambda index: (owners[index], drafts[index].import_reference or "")
        )
        rows = [
            {
                **drafts[index].columns,
                "organisation_id": owners[index],
                "host_id": host.person_id,
                "venue_id": None if (place := drafts[index].place) is None else venues[place],
            }
            for index in order
        ]
        ids = dict(zip(order, await self._store.insert_events(connection, rows), strict=True))
        created = [
            (event_id, draft) for index, draft in enumerate(drafts) if (event_id := ids[index]) is not None
        ]
        await self._store.insert_event_artists(
            connection, {event_id: [artists[name] for name in draft.artists] for event_id, draft in created}
        )
        await self._store.insert_policies(
            connection, [(event_id, draft.policy) for event_id, draft in created if draft.policy is not None]
        )
        await self._make_seats(connection, await self._insert_ticket_types(connection, created))
        await self._record_creation(connection, host, created)
        if len(created) == len(drafts):
            return [Outcome(event_id, "created") for event_id, _ in created]
        known = {owner: await self._store.imported(connection, owner, drafts) for owner in set(owners)}
        return [
            Outcome(event_id, "created")
            if (event_id := ids[index]) is not None
            else Outcome(known[owners[index]][draft.import_reference or ""], "existing")
            for index, draft in enumerate(drafts)
        ]

    async def _hosting(
        self, connection: Connection, host: Identity, asked: Collection[int | None]
    ) -> dict[int | None, int]:
        """The organisations that are asked for, None for the person's own. Raises Problem FORBIDDEN.

        The person may host for them until the transaction ends.
        """
        hosting: dict[int | None, int] = {}
        for named in sorted(asked, key=lambda one: one or 0):
            organisation_id = named or await self._organisations.own_organisation(connection, host.person_id)
            if not await self._organisations.may_host(connection, host.person_id, organisation_id):
                raise Problem(problems.FORBIDDEN, f"You make no events for organisation {organisation_id}.")
            hosting[named] = organisation_id
        return hosting

    async def _record_creation(
        self, connection: Connection, host: Identity, created: Sequence[tuple[int, EventDraft]]
    ) -> None:
        events_by_status: dict[str, list[str]] = {}
        for event_id, draft in created:
            events_by_status.setdefault(draft.columns["status"], []).append(f"event:{event_id}")
        for status, events in events_by_status.items():
            await self._audit_log.record_each(
                connection,
                actor=actor_of(host),
                action="event-created",
                subjects=events,
                details={"status": status},
            )

    async def _record_change(
        self, connection: Connection, host: Identity, event_id: int, before: Row, after: dict[str, Any]
    ) -> None:
        """The names of what changed; without any, it is the artists."""
        changed = sorted(name for name in after if after[name] != before[name]) or ["artists"]
        await self._audit_log.record(
            connection,
            actor=actor_of(host),
            action=action_of(before["status"], after["status"]),
            subject=f"event:{event_id}",
            details={"changed": changed},
        )

    async def _insert_ticket_types(
        self, connection: Connection, created: Sequence[tuple[int, EventDraft]]
    ) -> list[SeatBlock]:
        rows: list[dict[str, Any]] = []
        blocks: list[tuple[int, int, int, str]] = []
        for event_id, draft in created:
            first_position = 1
            for position, ticket_type in enumerate(draft.ticket_types, start=1):
                rows.append(
                    {
                        "event_id": event_id,
                        "position": position,
                        "name": ticket_type.name,
                        "price_minor": ticket_type.price_minor,
                        "capacity": ticket_type.capacity,
                        "sales_start_at": ticket_type.sales_start_at,
                        "sales_end_at": ticket_type.sales_end_at,
                        "per_person_limit": ticket_type.per_person_limit,
                        "oversell_seats": ticket_type.oversell_seats,
                    }
                )
                blocks.append((event_id, first_position, ticket_type.seats, ticket_type.label_prefix))
                first_position += ticket_type.seats
        ids = await self._store.insert_ticket_types(connection, rows)
        return [
            SeatBlock(event_id, ticket_type_id, first_position, seat_count, label_prefix)
            for ticket_type_id, (event_id, first_position, seat_count, label_prefix) in zip(
                ids, blocks, strict=True
            )
        ]

    async def _event(self, connection: Connection, event_id: int) -> Event:
        document = await self._store.document(connection, event_id)
        assert document is not None  # noqa: S101 - it was made or locked in this transaction
        return event_from_row(document)


def _merged(before: Row, body: EventUpdate) -> dict[str, Any]:
    """The event's columns after the update. Raises Problem CONFLICT, INVALID_REQUEST."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    renamed = {"start_at": "starts_at", "end_at": "ends_at"}
    columns = {name: value for name, value in before.items() if name not in _NOT_THE_HOSTS}
    columns.update(
        {
            renamed.get(name, name): value
            for name, value in changes.items()
            if renamed.get(name, name) in columns
        }
    )
    if not may_become(before["status"], columns["status"]):
        raise Problem(
            problems.CONFLICT, f"An event that is {before['status']} can't become {columns['status']}."
        )
    if columns["status"] == "active" and before["deactivated_at"] is not None:
        raise Problem(problems.CONFLICT, "An administrator has taken this event off sale.")
    if columns["ends_at"] is not None and columns["ends_at"] < columns["starts_at"]:
        raise invalid_field("end_at", "must not be before start_at")
    if columns["starts_at"] <= datetime.now(UTC) < before["starts_at"]:
        # It would end what the bookings' policies promise until the start.
        raise invalid_field("start_at", "an event that is to come can't be moved into the past")
    has_place = columns["venue_id"] is not None or body.location is not None or body.venue is not None
    if not columns["is_online"] and not has_place:
        raise invalid_field("is_online", "give location or venue with it")
    return columns


def _refused(index: int, problem: Problem) -> BulkResult:
    body = problem_body(problem.kind, problem.detail, **problem.members)
    return BulkResult(index=index, status="refused", id=None, problem=body)
