"""There is one writer, and what can't be confirmed by its quorum is acknowledged by nobody."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from service_kit.database import create_pool
from tests.booking_invariants import faults
from tests.conftest import Platform, discard, new_platform
from tests.integration.three_regions.load import reads, repeated
from tests.integration.three_regions.steps import (
    REGIONS,
    SEEN_SECONDS,
    create,
    finds,
    gateway,
    links_changed,
    login,
    page,
    until_writes_work,
    write_api,
)
from tests.integration.write_api.application import eventually
from tests.people import PASSWORD, People, Person, unique, wait_for
from tests.soak import soak_only
from write_api.answer_gate import LocalFlush
from write_api.app import create_app
from write_api.settings import WriteApiSettings
from write_api.writer_state import WRITER_SECONDS

CUT_OFF = (("eu-us", "--cut"), ("eu-ap", "--cut"))
NOISE_SECONDS = 3.0
"""What a machine that others use may add to a wait of ours."""
OUTAGE_SECONDS = 180
"""How long the primary stays dead: `make soak` makes it minutes."""


def rows(three: Platform, region: str, statement: str) -> list[dict[str, Any]]:
    """What a region's main answers to the superuser, who waits for no quorum."""
    url = three.database_url("postgres", "main", region)
    local = "-c synchronous_commit=local -c statement_timeout=20s"
    with psycopg.connect(url, autocommit=True, row_factory=dict_row, options=local) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def attempts(
    three: Platform, url: str, person: Person, event_id: int
) -> dict[str, Callable[[], httpx.Response]]:
    """Requests of several kinds that ask the writer: changes, refusals, and a repeated refusal."""

    def post(path: str, **body: Any) -> Callable[[], httpx.Response]:
        headers = {"Authorization": person.client.headers["Authorization"]}
        return lambda: httpx.post(f"{url}{path}", json=body, headers=headers, timeout=20)

    too_many = {"event_id": event_id, "quantity": 9}
    wrong = {"email": f"{unique('nobody')}@example.com", "password": "wrong password"}
    return {
        "book": post("/api/v1/bookings", event_id=event_id, quantity=1),
        "book too many": post("/api/v1/bookings", **too_many),
        "book too many again": post("/api/v1/bookings", **too_many),
        "create": post("/api/v1/events", name=unique("event"), available_seats=3, location="HCM",
                       start_at="2030-11-01T10:00:00Z", category="MUSIC", price=1),
        "log in": post("/api/v1/login", email=person.email, password=PASSWORD),
        "log in wrongly": post("/api/v1/login", **wrong),
    }  # fmt: skip


def asked_by_eu(three: Platform, region: str) -> bool:
    """Whether eu's write_api asks a region's main, across the link, which generation it knows."""
    sessions = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = '{}'"
    return bool(rows(three, region, sessions.format("frontrow-write_api-generation"))[0]["n"] == 1)


def answered(kinds: dict[str, Callable[[], httpx.Response]]) -> list[str]:
    """Those of the requests, sent all at once, that got another answer than a polite 503, or none."""

    def fate(name: str) -> str | None:
        try:
            answer = kinds[name]()
        except httpx.HTTPError:
            return None
        is_polite = answer.status_code == 503 and "Retry-After" in answer.headers
        return None if is_polite else f"{name}: {answer.status_code} {answer.text[:200]}"

    with ThreadPoolExecutor(len(kinds)) as pool:
        return [found for found in pool.map(fate, kinds) if found]


def ages_ms(url: str, event_id: int) -> dict[str, int]:
    """The age that an event page and a search declare."""
    answers = {
        "page": httpx.get(f"{url}/api/v1/events/{event_id}", timeout=5),
        "search": httpx.post(f"{url}/api/v1/search/events", json={"text": "event"}, timeout=5),
    }
    assert {answer.status_code for answer in answers.values()} == {200}
    return {name: int(answer.headers["X-Data-Age-Ms"]) for name, answer in answers.items()}


def assert_ages_grow_with_time(url: str, event_id: int) -> None:
    """For three seconds, whatever is asked is older each time; in all, by about as much as passed."""
    first = before = ages_ms(url, event_id)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        time.sleep(0.3)
        now = ages_ms(url, event_id)
        assert all(now[name] > before[name] for name in now), (before, now)
        before = now
    assert all(before[name] - first[name] > 2000 for name in first), (first, before)
    print(f"\n  ages in eu: {first}, {time.monotonic() - began:.1f} s later {before}", end="")


def test_a_primary_that_is_cut_off_acknowledges_nothing_and_its_age_grows(
    three: Platform, everywhere: dict[str, People]
) -> None:
    person = everywhere["eu"].sign_up("customer", "host")
    event = person.create_event(available_seats=5)
    booked = person.book(event["id"]).json()
    url = gateway(three, "eu")
    wait_for("eu has the event", lambda: finds(everywhere["eu"], event["name"], url))
    for region in ("us", "ap"):
        wait_for(f"eu asks {region}", lambda: asked_by_eu(three, region))  # noqa: B023
    with links_changed(three, *CUT_OFF):
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:  # while it still calls itself the writer
            early = pool.submit(answered, attempts(three, url, person, event["id"]))
            wait_for("eu is no writer", lambda: not write_api(three, "eu")["writer"])
            seconds = time.monotonic() - began
            print(f"\n  eu is no writer {seconds:.1f} s after the last cut", end="")
            assert seconds < WRITER_SECONDS + NOISE_SECONDS
            assert early.result() == []
        assert write_api(three, "eu")["state"] == "unconfirmed"
        assert_ages_grow_with_time(url, event["id"])
        for one in (url, f"http://{three.address('write_api', 'eu')}"):
            assert answered(attempts(three, one, person, event["id"])) == []
    until_writes_work(three)
    assert person.client.get(f"/api/v1/bookings/{booked['id']}").json()["status"] == "held"
    assert person.book(event["id"]).status_code in {201, 409}  # what was withheld may hold the last seats
    for region in REGIONS:
        assert faults(lambda statement: rows(three, region, statement)) == {}, region  # noqa: B023
        wait_for(f"{region} is in step", lambda: ages_ms(gateway(three, region), event["id"])["page"] < 2000)  # noqa: B023


@asynccontextmanager
async def hasty_write_api(three: Platform, state: Path) -> AsyncIterator[httpx.AsyncClient]:
    """eu's write_api as it is, but for a rule that takes its own disk for the quorum."""
    secrets = json.loads((three.home / "secrets.json").read_text(encoding="utf-8"))
    main = three.database_url("frontrow_write", "main", "eu")
    settings = WriteApiSettings(
        region="eu",
        listen="127.0.0.1:1",
        main_database=main,
        reader_database=three.database_url("frontrow_read", "reader", "eu"),
        durability="quorum",
        quorum_members=("us", "ap"),
        state_directory=state,
        **{name: value for name, value in secrets.items() if name in WriteApiSettings.model_fields},
    )
    pool = create_pool(main, application_name="frontrow-hasty-control", max_size=2, max_waiting=16)
    app = create_app(settings, confirmation_rule=LocalFlush(pool))
    async with pool, app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hasty", timeout=30) as client:
            yield client


async def test_heartbeats_that_no_quorum_confirms_would_hide_the_cut(
    three: Platform, everywhere: dict[str, People], tmp_path: Path
) -> None:
    event = everywhere["eu"].sign_up("host").create_event()
    url = gateway(three, "eu")
    wait_for("eu has the event", lambda: finds(everywhere["eu"], event["name"], url))
    with links_changed(three, *CUT_OFF):
        wait_for("eu is no writer", lambda: not write_api(three, "eu")["writer"])
        async with hasty_write_api(three, tmp_path) as hasty:

            async def calls_itself_the_writer() -> bool:
                return bool((await hasty.get("/health/ready")).json()["details"]["writer"])

            await eventually("it calls itself the writer", calls_itself_the_writer)
            wrong = {"email": f"{unique('nobody')}@example.com", "password": "wrong password"}
            assert (await hasty.post("/api/v1/login", json=wrong)).status_code == 401
            account = {"email": f"{unique('person')}@example.com", "password": PASSWORD}
            assert (await hasty.post("/api/v1/accounts", json=account)).status_code == 202

            async def eu_seems_fresh() -> bool:  # in a thread: the loop must go on beating
                return max((await asyncio.to_thread(ages_ms, url, event["id"])).values()) < 1500

            await eventually("eu seems fresh", eu_seems_fresh)
            assert not write_api(three, "eu")["writer"], "the true one is not deceived"
    until_writes_work(three)


@soak_only
def test_the_primary_dead_for_long_costs_no_read_and_what_restarts_verifies_from_its_disk(
    three: Platform, everywhere: dict[str, People], stack: ExitStack
) -> None:
    person = everywhere["us"].sign_up("customer", "host")
    event = person.create_event()
    for region in REGIONS:
        wait_for(f"{region} has it", lambda: finds(everywhere["us"], event["name"], gateway(three, region)))  # noqa: B023
    kinds = [one for place in REGIONS for one in reads(stack, three.gateway_url, place, event["id"], person)]
    try:
        with repeated(*kinds, ("writes", lambda: create(three, person))) as tallies:
            time.sleep(1)
            three.kill_region("eu")
            killed_at = time.monotonic()
            time.sleep(OUTAGE_SECONDS)
        *read_tallies, writes = tallies
        for tally in read_tallies:
            assert tally.succeeded(killed_at + SEEN_SECONDS) > OUTAGE_SECONDS, tally
            assert not tally.failed(killed_at + SEEN_SECONDS), tally
        assert writes.succeeded(killed_at + SEEN_SECONDS) == 0
        assert set(writes.failed(killed_at + SEEN_SECONDS)) == {"503"}
        with without_reader(three, "us"):
            assert_tokens_are_verified(three, "us", person)
    finally:
        three.command("up", "--region", "us", check=False)
        three.command("up", "--region", "eu")
    until_writes_work(three)
    assert login(three, "us") == 401
    assert page(three, "us", event["id"]) == 200


def without_reader(three: Platform, region: str) -> ExitStack:
    """Kills a region's reader and then restarts, as they were, those that verify tokens."""
    restarted = ExitStack()
    commands = []
    for name in ("read_api", "mini_auth", "write_api"):
        process = psutil.Process(three.component(name, region)["pid"])
        commands.append((name, process.cmdline(), process.environ(), process.cwd()))
    for name in ("reader", "read_api", "mini_auth", "write_api"):
        three.kill(name, region)
    for name, command, environment, folder in commands:
        log = restarted.enter_context((three.home / f"{region}.{name}.restarted.log").open("ab"))
        process = psutil.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        restarted.callback(process.wait, 30)
        restarted.callback(process.kill)
    return restarted


def assert_tokens_are_verified(three: Platform, region: str, person: Person) -> None:
    good = person.client.headers["Authorization"]
    forged = good[:-8] + ("AAAAAAAA" if not good.endswith("AAAAAAAA") else "BBBBBBBB")
    keys = f"http://{three.address('mini_auth', region)}/.well-known/jwks.json"
    search = f"http://{three.address('read_api', region)}/api/v1/search/events"
    alive = f"http://{three.address('write_api', region)}/health/live"

    def status_of(method: str, url: str, **options: Any) -> int | None:
        try:
            return httpx.request(method, url, timeout=10, **options).status_code
        except httpx.HTTPError:
            return None

    def search_status(token: str) -> int | None:
        headers = {"Authorization": token}
        return status_of("POST", search, json={"text": "event"}, headers=headers)

    wait_for("a good token is taken", lambda: search_status(good) == 200)
    assert search_status(forged) == 401
    wait_for("the keys are served", lambda: status_of("GET", keys) == 200)
    wait_for("write_api is back", lambda: status_of("GET", alive) == 200)
    assert three.component("reader", region)["state"] == "stopped"


@pytest.fixture
def two() -> Iterator[Platform]:
    """Two regions with little more than their mains and write_api, beside whatever runs."""
    platform = new_platform("two", ("eu", "us"))
    try:
        yield platform
    finally:
        discard(platform)


def up(two: Platform, *regions: str) -> None:
    two.environment["REGIONS"] = ",".join(regions)
    two.up("main", "reader", "write_api")
    wait_for("eu writes", lambda: write_api(two, "eu")["writer"])


def test_regions_that_are_added_and_removed_are_in_the_generations_row(two: Platform) -> None:
    for regions, members in ((("eu",), []), (("eu", "us"), ["us"]), (("eu",), [])):
        up(two, *regions)
        row = "SELECT generation, members, counted_members FROM generations"
        expected = [{"generation": 1, "members": members, "counted_members": members}]
        for region in regions:
            wait_for(f"{region} has {members}", lambda: rows(two, region, row) == expected)  # noqa: B023
        shown = {one["region"]: one for one in two.status()["regions"]}
        for region in regions:
            assert (shown[region]["generation"], shown[region]["generation_members"]) == (1, members)
            assert (shown[region]["writer"], shown[region]["fenced"]) == (region == "eu", False)
        two.down()
