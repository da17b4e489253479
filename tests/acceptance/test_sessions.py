"""Logging in, going on, and out again, through the front door as a browser would."""

from contextlib import closing

import httpx
import pytest

from tests.acceptance.conftest import Platform
from tests.people import PASSWORD, People, unique, wait_for


@pytest.fixture
def client(platform: Platform) -> httpx.Client:
    return httpx.Client(base_url=platform.gateway_url, timeout=10)


def test_a_session_goes_on_by_refresh_and_ends_by_log_out_at_every_door(
    platform: Platform, client: httpx.Client
) -> None:
    with closing(client):
        email = f"{unique('person')}@example.com"
        client.post("/api/v1/accounts", json={"email": email, "password": PASSWORD}).raise_for_status()
        login = client.post("/api/v1/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        # A browser sends the token that it has, even if it has expired.
        expired = {"Authorization": "Bearer e30.e30.e30"}
        body = {"refresh_token": login.json()["refresh_token"]}
        tokens = client.post("/api/v1/refresh", json=body, headers=expired).raise_for_status().json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        sessions = client.get("/api/v1/sessions", headers=headers).raise_for_status().json()["sessions"]
        assert [one["is_this_one"] for one in sessions] == [True]
        assert client.get("/api/v1/bookings", headers=headers).status_code == 200
        assert client.post("/api/v1/logout", headers=headers).status_code == 204
        page = "/api/v1/events/1"
        for process, method in (("write_api", "PUT"), ("read_api", "GET")):
            wait_for(
                f"{process} refuses the token",
                lambda: is_refused(platform.address(process), method, page, headers),  # noqa: B023
            )
        body = {"refresh_token": tokens["refresh_token"]}
        assert client.post("/api/v1/refresh", json=body).status_code == 401


def is_refused(address: str, method: str, path: str, headers: dict[str, str]) -> bool:
    answer = httpx.request(method, f"http://{address}{path}", json={}, headers=headers, timeout=10)
    return answer.status_code == 401


def test_the_operator_rotates_keys_and_people_notice_nothing(platform: Platform, people: People) -> None:
    before = people.sign_up("customer")
    wait_for(
        "the next key is known", lambda: platform.command("auth", "rotate-keys", check=False).returncode == 0
    )
    too_soon = platform.command("auth", "rotate-keys", check=False)
    assert too_soon.returncode == 1
    assert "Try again in" in too_soon.stderr
    after = people.sign_up("customer")
    for person in (before, after):
        assert person.client.get("/api/v1/bookings").status_code == 200
    unknown = platform.command("auth", "rotate-keys", "--compromised", "nobody", check=False)
    assert unknown.returncode == 1
    assert "There is no signing key nobody" in unknown.stderr
    shown = platform.command("auth", "keys").stdout.splitlines()
    assert sorted(line.split()[0] for line in shown)[:2] == ["current", "next"]


def rotates(platform: Platform) -> bool:
    return platform.command("auth", "rotate-keys", check=False).returncode == 0
