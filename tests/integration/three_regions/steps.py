"""What tests do with three regions: ask each of them, and change the links between them."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from contracts.consistency_token import Position, TokenSigner
from tests.conftest import Platform
from tests.people import People, Person, unique, wait_for

REGIONS = ("eu", "us", "ap")
SEEN_SECONDS = 4.0
"""By then the balancer's checks (each second, two failures) have seen that a gateway is gone."""


def gateway(three: Platform, region: str) -> str:
    return f"http://{three.address('gateway', region)}"


def write_api(three: Platform, region: str) -> dict[str, Any]:
    """What a write_api says of its readiness, with the status code; not how many mails wait."""
    answer = httpx.get(f"http://{three.address('write_api', region)}/health/ready", timeout=5)
    details = answer.json()["details"]
    assert details.pop("mail")["sends"] is True
    return {"code": answer.status_code, **details}


def finds(people: People, text: str, url: str) -> bool:
    answer = httpx.post(f"{url}/api/v1/search/events", json={"text": text}, timeout=10)
    return answer.status_code == 200 and [one["name"] for one in answer.json()["events"]] == [text]


def until_writes_work(three: Platform) -> None:
    for region in REGIONS:
        wait_for(f"{region}'s gateway knows the writer", lambda: login(three, region) == 401)  # noqa: B023


def login(three: Platform, region: str) -> int:
    """The answer of the writer, 401, to somebody whom it can't know."""
    nobody = {"email": f"{unique('nobody')}@example.com", "password": "wrong password"}
    return httpx.post(f"{gateway(three, region)}/api/v1/login", json=nobody, timeout=20).status_code


@contextmanager
def links_changed(three: Platform, *orders: tuple[str, ...]) -> Iterator[None]:
    """Links as ordered while the block runs, whole afterwards."""
    try:
        for name, *options in orders:
            three.command("regions", "link", name, *options)
        yield
    finally:
        for name, *_ in orders:
            three.command("regions", "link", name, "--restore")


def ahead_of_all(three: Platform) -> str:
    """A good consistency token for what nobody has written yet."""
    secrets = json.loads((three.home / "secrets.json").read_text(encoding="utf-8"))
    return TokenSigner(base64.b64decode(secrets["consistency_key"])).sign(Position(1, 2**50))


def read_seconds(three: Platform, event_id: int) -> float:
    began = time.monotonic()
    answer = httpx.get(f"{gateway(three, 'us')}/api/v1/events/{event_id}")
    assert answer.status_code in {200, 404}
    return time.monotonic() - began


def page(three: Platform, region: str, event_id: int) -> int:
    return httpx.get(f"{gateway(three, region)}/api/v1/events/{event_id}").status_code


def create(three: Platform, person: Person) -> httpx.Response:
    event = {
        "name": unique("event"), "available_seats": 3, "start_at": "2030-11-01T10:00:00Z", "location": "HCM",
        "category": "MUSIC", "price": 1, "status": "active",
    }  # fmt: skip
    return person.client.post(f"{three.gateway_url}/api/v1/events", json=event)
