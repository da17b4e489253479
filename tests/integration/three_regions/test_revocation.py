"""What is revoked at any gateway is refused in every region within two seconds; keys rotate unnoticed."""

import asyncio
import base64
import itertools
import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from psycopg.rows import dict_row

from contracts.api_keys import API_KEY_HEADER
from mini_auth.guest_links import GUEST_LINK_HEADER
from tests.administrators import administrator
from tests.conftest import Platform
from tests.integration.three_regions.asking import (
    Accepts,
    Credential,
    assert_in_force_in_time,
    places,
    process_of_our_own,
    seconds_until_refused,
)
from tests.integration.three_regions.load import repeated
from tests.integration.three_regions.steps import REGIONS, SEEN_SECONDS, gateway
from tests.people import DEADLINE_SECONDS, PASSWORD, People, Person, wait_for
from tests.soak import sized
from write_api.audit_log import OPERATOR, AuditLog
from write_api.signing_keys.service import rotate_keys
from write_api.signing_keys.store import SigningKeyStore

ROUNDS = sized(test=6, soak=100)
KEY_ROUNDS = sized(test=2, soak=10)
ROTATIONS = sized(test=2, soak=10)
CONTROL_SECONDS = 5.0


@pytest.fixture
def judges(three: Platform, stack: ExitStack) -> dict[str, Accepts]:
    return places(three, stack)


@dataclass(frozen=True)
class Revocable:
    """Something that lets somebody ask, and how it is revoked."""

    credential: Credential
    revoke: Callable[[], object]


def session_of(people: People) -> Revocable:
    person = people.sign_up("customer")
    return Revocable(header_of(person), lambda: post(person, "/api/v1/logout"))


def person_of(people: People) -> Revocable:
    person = people.sign_up("customer")
    return Revocable(header_of(person), lambda: post(person, "/api/v1/logout/everywhere"))


def api_key_of(people: People) -> Revocable:
    person = people.sign_up("customer")
    wanted = {"name": "a program", "scopes": ["bookings:read", "bookings:write"]}
    made = person.client.post("/api/v1/api-keys", json=wanted).raise_for_status().json()
    path = f"/api/v1/api-keys/{made['id']}"
    return Revocable({API_KEY_HEADER: made["key"]}, lambda: person.client.delete(path).raise_for_status())


def header_of(person: Person) -> Credential:
    return {"Authorization": person.client.headers["Authorization"]}


def post(person: Person, path: str) -> None:
    person.client.post(path).raise_for_status()


def one_round(thing: Revocable, judges: Mapping[str, Accepts]) -> dict[str, float]:
    """Something that is known everywhere, and then revoked."""
    for name, accepts in judges.items():
        wait_for(f"{name} takes it", lambda: accepts(thing.credential))  # noqa: B023
    return seconds_until_refused(judges, thing.credential, thing.revoke, give_up_seconds=DEADLINE_SECONDS)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("what", "made"), [("a session", session_of), ("a person", person_of), ("an API key", api_key_of)]
)
def test_a_revocation_through_any_gateway_is_in_force_in_every_region(
    everywhere: dict[str, People], judges: dict[str, Accepts], what: str, made: Callable[[People], Revocable]
) -> None:
    regions = itertools.cycle(REGIONS)

    def measure() -> list[dict[str, float]]:
        return [one_round(made(everywhere[next(regions)]), judges) for _ in range(ROUNDS)]

    assert_in_force_in_time(what, measure)


def guest_of(three: Platform, admin: Person) -> Revocable:
    """Somebody with a link, whom an administrator revokes."""
    wanted = {"name": "Ann Guest", "email": "ann@example.com", "phone": "+84 24 3825 3536"}
    guest = httpx.post(f"{gateway(three, 'ap')}/api/v1/guests", json=wanted).raise_for_status().json()
    order = {"revoke": {"kind": "person", "person_id": guest["id"]}}

    def revoke() -> None:
        admin.client.post("/api/v1/admin/revocations", json=order).raise_for_status()

    return Revocable({GUEST_LINK_HEADER: guest["link"]}, revoke)


@pytest.mark.timeout(1800)
def test_a_guests_link_is_good_in_every_region_until_the_guest_is_revoked(
    three: Platform, everywhere: dict[str, People], judges: dict[str, Accepts]
) -> None:
    admin = administrator(three, everywhere["us"])

    def measure() -> list[dict[str, float]]:
        return [one_round(guest_of(three, admin), judges) for _ in range(KEY_ROUNDS)]

    assert_in_force_in_time("a guest", measure)


def signing_key_of(three: Platform, people: People) -> Revocable:
    """The key that signs now."""
    until_writes_work_steadily(three)
    credential = header_of(people.sign_up("customer"))
    key_id = jwt.get_unverified_header(credential["Authorization"].removeprefix("Bearer "))["kid"]
    return Revocable(credential, lambda: remove_key(three, key_id))


def until_writes_work_steadily(three: Platform) -> None:
    """A writer whose key was removed is none until it signs with the next; gateways see both later."""

    def writes_work(region: str) -> bool:
        nothing = {"refresh_token": "x"}
        answer = httpx.post(
            f"{gateway(three, region)}/api/v1/refresh", json=nothing, timeout=DEADLINE_SECONDS
        )
        return answer.status_code == 401

    began = steady_since = time.monotonic()
    while time.monotonic() - steady_since < SEEN_SECONDS:
        if not all(writes_work(region) for region in REGIONS):
            steady_since = time.monotonic()
        assert time.monotonic() - began < DEADLINE_SECONDS, "writes don't work steadily"
        time.sleep(0.2)


def remove_key(three: Platform, key_id: str) -> None:
    """What `frontrow auth rotate-keys --compromised` does, without the time that a command takes to end."""
    secrets = json.loads((three.home / "secrets.json").read_text(encoding="utf-8"))
    url = three.database_url("frontrow_write", "main")

    async def remove() -> None:
        connect = psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row)
        async with await connect as connection:
            sealing_key = base64.b64decode(secrets["key_sealing_key"])
            audit_log, actor = AuditLog("eu"), OPERATOR
            await rotate_keys(
                connection, SigningKeyStore(), sealing_key, audit_log, actor=actor, compromised=key_id
            )

    asyncio.run(remove())


@pytest.mark.timeout(1800)
def test_a_compromised_key_is_in_force_in_every_region(
    three: Platform, everywhere: dict[str, People], judges: dict[str, Accepts]
) -> None:
    def measure() -> list[dict[str, float]]:
        return [one_round(signing_key_of(three, everywhere["us"]), judges) for _ in range(KEY_ROUNDS)]

    assert_in_force_in_time("a key", measure)
    until_writes_work_steadily(three)


def test_without_polling_a_revoked_session_would_be_accepted(
    three: Platform, everywhere: dict[str, People], tmp_path: Path, stack: ExitStack
) -> None:
    """The negative control: a process like the others, but that it asked its reader once, when it began."""
    polls, stands = (
        stack.enter_context(process_of_our_own(three, "us", tmp_path / name, polls=name == "polls"))
        for name in ("polls", "stands")
    )

    def measure_one(judges: Mapping[str, Accepts], give_up_seconds: float) -> list[dict[str, float]]:
        thing = session_of(everywhere["eu"])
        return [
            seconds_until_refused(judges, thing.credential, thing.revoke, give_up_seconds=give_up_seconds)
        ]

    assert_in_force_in_time("a session", lambda: measure_one({"polls": polls}, DEADLINE_SECONDS))
    with pytest.raises(AssertionError, match="accepted for good"):
        assert_in_force_in_time("a session", lambda: measure_one({"stands": stands}, CONTROL_SECONDS))


@pytest.mark.timeout(900)
def test_keys_rotate_under_load_and_no_region_refuses_a_good_token(
    three: Platform, everywhere: dict[str, People], stack: ExitStack
) -> None:
    before = key_ids(three)
    load = [keep_asking(three, region, everywhere[region].sign_up("customer"), stack) for region in REGIONS]
    with repeated(*itertools.chain.from_iterable(load)) as tallies:
        for _ in range(ROTATIONS):
            wait_for("the next key may sign", lambda: rotated(three))
    for tally in tallies:
        assert tally.succeeded() > ROTATIONS, tally
        assert not tally.failed(), tally
    assert len(key_ids(three) - before) == ROTATIONS


def keep_asking(
    three: Platform, region: str, person: Person, stack: ExitStack
) -> list[tuple[str, Callable[[], httpx.Response]]]:
    """Somebody who refreshes, and asks with the newest token and with the first, each at once."""
    url = gateway(three, region)
    refreshing, asking, staying = (
        stack.enter_context(httpx.Client(base_url=url, timeout=DEADLINE_SECONDS)) for _ in range(3)
    )
    account = {"email": person.email, "password": PASSWORD}
    newest = refreshing.post("/api/v1/login", json=account).raise_for_status().json()

    def refresh() -> httpx.Response:
        nonlocal newest
        answer = refreshing.post("/api/v1/refresh", json={"refresh_token": newest["refresh_token"]})
        if answer.is_success:
            newest = answer.json()
        return answer

    def ask(client: httpx.Client, credential: Credential, path: str) -> httpx.Response:
        return client.get(path, headers=dict(credential))

    def newest_token() -> Credential:
        return {"Authorization": f"Bearer {newest['access_token']}"}

    return [
        (f"refreshes in {region}", refresh),
        (f"newest in {region}", lambda: ask(asking, newest_token(), "/api/v1/bookings")),
        (f"first in {region}", lambda: ask(staying, header_of(person), "/api/v1/sessions")),
    ]


def rotated(three: Platform) -> bool:
    """Whether the next key signs from now on; refused as long as some region may not know it."""
    time.sleep(0.5)
    return three.command("auth", "rotate-keys", check=False).returncode == 0


def key_ids(three: Platform) -> set[str]:
    keys: list[dict[str, Any]] = json.loads(three.command("auth", "keys", "--json").stdout)["keys"]
    return {key["key_id"] for key in keys}
