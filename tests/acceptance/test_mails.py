"""A person's account from sign-up to a new password, by the platform's mails, at its front door."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import Platform
from tests.inbox import Inbox
from tests.people import PASSWORD, unique, wait_for

NEW_PASSWORD = "another horse, another battery"


@pytest.fixture
def inbox(platform: Platform) -> Inbox:
    return Inbox(platform.address("inbox", "global"))


@pytest.fixture
def visitor(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.gateway_url, timeout=10) as client:
        yield client


def post(visitor: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return visitor.post(f"/api/v1/{path}", json=body)


def signed_in(visitor: httpx.Client, email: str, password: str) -> dict[str, str]:
    token = post(visitor, "login", email=email, password=password).raise_for_status().json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def host_an_event(visitor: httpx.Client, headers: dict[str, str]) -> int:
    event = {
        "name": unique("event"),
        "available_seats": 10,
        "start_at": "2030-11-01T10:00:00Z",
        "location": "HCM",
        "category": "MUSIC",
        "price": 10.5,
    }
    return visitor.post("/api/v1/events", json=event, headers=headers).status_code


def test_sign_up_confirm_by_the_mail_host_an_event_and_reset_the_password(
    visitor: httpx.Client, inbox: Inbox
) -> None:
    email = f"{unique('person')}@example.com"
    account = {"email": email, "password": PASSWORD, "roles": ["customer", "host"]}
    assert post(visitor, "accounts", **account).status_code == 202
    assert host_an_event(visitor, signed_in(visitor, email, PASSWORD)) == 403
    assert post(visitor, "accounts/confirm", token=inbox.code(email, "Confirm")).status_code == 204
    before = signed_in(visitor, email, PASSWORD)
    assert host_an_event(visitor, before) == 201

    assert post(visitor, "password/forgotten", email=email).status_code == 202
    reset = {"token": inbox.code(email, "new password"), "password": NEW_PASSWORD}
    assert post(visitor, "password/reset", **reset).status_code == 204
    assert post(visitor, "password/reset", **reset).status_code == 403
    assert post(visitor, "login", email=email, password=PASSWORD).status_code == 401
    assert host_an_event(visitor, signed_in(visitor, email, NEW_PASSWORD)) == 201
    wait_for("the token of before is dead", lambda: host_an_event(visitor, before) == 401)
    assert inbox.mail(email, "was changed")


def test_a_present_password_is_changed_at_the_front_door(visitor: httpx.Client, inbox: Inbox) -> None:
    email = f"{unique('person')}@example.com"
    assert post(visitor, "accounts", email=email, password=PASSWORD).status_code == 202
    change = {"current": PASSWORD, "new": NEW_PASSWORD}
    assert visitor.put("/api/v1/password", json=change).status_code == 401
    headers = signed_in(visitor, email, PASSWORD)
    assert visitor.put("/api/v1/password", json=change, headers=headers).status_code == 204
    assert inbox.mail(email, "was changed")
    assert signed_in(visitor, email, NEW_PASSWORD)


def test_an_operator_confirms_an_account(platform: Platform, visitor: httpx.Client) -> None:
    email = f"{unique('person')}@example.com"
    post(visitor, "accounts", email=email, password=PASSWORD, roles=["host"]).raise_for_status()
    assert "is confirmed" in platform.command("accounts", "confirm", email.upper()).stdout
    assert host_an_event(visitor, signed_in(visitor, email, PASSWORD)) == 201
    assert "was confirmed before" in platform.command("accounts", "confirm", email).stdout
    nobody = platform.command("accounts", "confirm", f"{unique('nobody')}@example.com", check=False)
    assert nobody.returncode == 1


def test_the_links_in_mails_lead_to_a_page(platform: Platform, visitor: httpx.Client, inbox: Inbox) -> None:
    email = f"{unique('person')}@example.com"
    post(visitor, "accounts", email=email, password=PASSWORD).raise_for_status()
    text = inbox.mail(email, "Confirm")["text"]
    link = next(line for line in text.splitlines() if line.startswith("http"))
    assert link.startswith(f"{platform.gateway_url}/account.html#confirm-email=")
    page = visitor.get(link.partition("#")[0])
    assert page.status_code == 200
    assert "account.js" in page.text
    assert httpx.get(f"http://{platform.address('inbox', 'global')}/").text.startswith("<!doctype html>")
