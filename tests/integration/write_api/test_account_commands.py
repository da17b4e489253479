"""`frontrow accounts ...`: what an operator does, against the primary alone."""

import asyncio

import pytest
from typer.testing import CliRunner, Result

from tests.integration.write_api.application import Application
from tests.people import PASSWORD, unique
from write_api.accounts.commands import account_commands
from write_api.primary_access import REFUSED, UNREACHABLE, PrimaryAccess

pytestmark = pytest.mark.usefixtures("fresh_knowledge")


async def signed_up(application: Application, *, is_confirmed: bool) -> str:
    email = f"{unique('person')}@example.com"
    account = {"email": email, "password": PASSWORD}
    (await application.anonymous.post("/api/v1/accounts", json=account)).raise_for_status()
    if is_confirmed:
        application.database.rows("UPDATE people SET email_confirmed_at = now() WHERE email = %s", email)
    return email


def run(application: Application, *arguments: str, port: int | None = None) -> Result:
    """The command as an operator gives it, in a thread: it has an event loop of its own."""
    url = application.database.url("frontrow_write")
    if port is not None:
        url = url.replace(f":{application.database.server.port}/", f":{port}/")
    access = PrimaryAccess(database_url=url, sealing_key=b"", region="eu")
    return CliRunner().invoke(account_commands(lambda: access), list(arguments))


async def granted(application: Application, email: str, role: str, *, port: int | None = None) -> Result:
    return await asyncio.to_thread(run, application, "grant", email, "--role", role, port=port)


async def test_the_first_superadmin_is_made_by_an_operator(application: Application) -> None:
    email = await signed_up(application, is_confirmed=True)
    for word in ("now", "already"):
        result = await granted(application, email.upper(), "superadmin")
        assert (result.exit_code, result.output.split()[-1]) == (0, f"{word}."), result.output
    account = {"email": email, "password": PASSWORD}
    token = (await application.anonymous.post("/api/v1/login", json=account)).json()["access_token"]
    superadmin = application.client(Authorization=f"Bearer {token}")
    found = await superadmin.post("/api/v1/admin/people/search", json={"email": email})
    assert found.status_code == 200
    assert set(found.json()["roles"]) == {"customer", "superadmin"}
    rows = application.database.rows(
        "SELECT actor_kind, actor_id, details, region FROM audit_log"
        " WHERE subject = %s AND action = 'role-granted'",
        f"person:{found.json()['id']}",
    )
    assert rows == [
        {"actor_kind": "operator", "actor_id": None, "details": {"role": "superadmin"}, "region": "eu"}
    ]


async def test_what_can_not_be_granted_changes_nothing(application: Application) -> None:
    email = await signed_up(application, is_confirmed=False)
    for unknown in (email, f"{unique('nobody')}@example.com"):
        result = await granted(application, unknown, "admin")
        assert result.exit_code == REFUSED
        assert unknown in result.output
    assert (await granted(application, email, "king")).exit_code not in {0, REFUSED}
    assert (await granted(application, email, "admin", port=1)).exit_code == UNREACHABLE
    [row] = application.database.rows("SELECT roles FROM people WHERE email = %s", email)
    assert row == {"roles": ["customer"]}
