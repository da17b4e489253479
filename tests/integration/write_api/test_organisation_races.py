"""Members come and go while others act: what is decided holds, and one owner stays."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from contracts import problems
from contracts.token_claims import Identity
from service_kit.database import Connection
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer, eventually
from tests.integration.write_api.hosts import (
    host,
    joined,
    members_of,
    organisation_of,
)
from write_api.organisations.service import OrganisationService
from write_api.organisations.store import OrganisationStore

QUERIES = load_queries("write_api.organisations")


@asynccontextmanager
async def writer(application: Application) -> AsyncIterator[Connection]:
    connect = psycopg.AsyncConnection.connect(
        application.database.url("frontrow_write"), autocommit=True, row_factory=dict_row
    )
    async with await connect as connection:
        yield connection


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_removal_waits_for_the_change_that_is_under_way(
    application: Application, is_held: bool
) -> None:
    """With `is_held` False the negative control: without its lock, the change would come after it."""
    owner, member = await host(application), await host(application)
    organisation_id = await organisation_of(owner)
    await joined(owner, organisation_id, member, "staff")
    may_host: LiteralString = QUERIES["may_host"] if is_held else QUERIES["may_host"].replace("FOR SHARE", "")
    store = OrganisationStore({**QUERIES, "may_host": may_host})
    path = f"/api/v1/organisations/{organisation_id}/members/{member.id}"
    async with writer(application) as connection:
        async with connection.transaction():  # of somebody who changes an event
            assert await store.may_host(connection, member.id, organisation_id)
            removal = asyncio.create_task(owner.client.delete(path))

            async def waits_or_is_over() -> bool:
                waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
                return removal.done() or application.database.has(
                    waiting, "DELETE FROM organisation_members%"
                )

            await eventually("the removal has met the change", waits_or_is_over)
            assert removal.done() is not is_held
        assert (await removal).status_code == 204
        assert not await store.may_host(connection, member.id, organisation_id)


@pytest.mark.parametrize("is_locked", [True, False])
async def test_two_owners_who_leave_at_once_leave_one_behind(
    application: Application, is_locked: bool
) -> None:
    """With `is_locked` False the negative control: without the lock, nobody would be left."""
    owners = [await host(application) for _ in range(2)]
    organisation_id = await organisation_of(owners[0])
    await joined(owners[0], organisation_id, owners[1], "owner")
    # Slow enough that both have counted before one has left.
    slow = QUERIES["count_members"].replace(
        "FROM organisation_members", ", pg_sleep(0.5) FROM organisation_members"
    )
    lock = QUERIES["lock_organisation"]
    lock = lock if is_locked else lock.replace("FOR NO KEY UPDATE", "")
    service = substituted(application, {"count_members": slow, "lock_organisation": lock})
    identities = [identity_of(application, owner) for owner in owners]
    results = await asyncio.gather(
        *(service.remove_member(one, organisation_id, one.person_id) for one in identities),
        return_exceptions=True,
    )
    refused = [one for one in results if isinstance(one, Problem) and one.kind is problems.CONFLICT]
    assert (len(refused), len(members_of(application, organisation_id))) == ((1, 1) if is_locked else (0, 0))


def substituted(application: Application, queries: Mapping[str, LiteralString]) -> OrganisationService:
    """The application's own service, but for some statements."""
    service: OrganisationService = application.app.state.organisations
    return OrganisationService(
        service._pool,
        OrganisationStore({**QUERIES, **queries}),
        service._audit_log,
        find_person=service._find_person,
        confirmed_email=service._confirmed_email,
    )


def identity_of(application: Application, person: Customer) -> Identity:
    token = person.client.headers["Authorization"].removeprefix("Bearer ")
    identity: Identity = application.app.state.callers.tokens.verify(token)
    return identity
