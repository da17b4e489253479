"""The first superadmin is made by an operator, and administers through the front door."""

from tests.acceptance.conftest import Platform
from tests.people import PASSWORD, People


def test_an_operator_makes_a_superadmin_who_sees_what_was_done_and_from_where(
    platform: Platform, people: People
) -> None:
    person, other = people.sign_up("customer"), people.sign_up("customer")
    assert person.client.get("/api/v1/admin/audit-log").status_code == 403
    platform.command("accounts", "confirm", person.email)
    for word in ("now", "already"):
        done = platform.command("accounts", "grant", person.email, "--role", "superadmin")
        assert done.stdout.strip() == f"{person.email} has the role superadmin {word}."
    account = {"email": person.email, "password": PASSWORD}
    login = person.client.post("/api/v1/login", json=account).raise_for_status()
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    body = {"email": other.email}
    found = person.client.post("/api/v1/admin/people/search", json=body, headers=headers)
    assert (found.status_code, found.json()["email"]) == (200, other.email)
    filters = {"person_id": found.json()["id"], "action": "account-looked-up"}
    page = person.client.get("/api/v1/admin/audit-log", params=filters, headers=headers)
    [entry] = page.raise_for_status().json()["entries"]
    assert (entry["region"], entry["client_address"]) == ("eu", "127.0.0.1")
    assert entry["request_id"]
