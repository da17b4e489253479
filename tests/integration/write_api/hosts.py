"""People who host, and the organisations that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.token_claims import Identity
from tests.integration.write_api.application import Application, Customer
from tests.people import PASSWORD, unique


@dataclass(frozen=True)
class Host(Customer):
    """Somebody who may host, with their e-mail."""

    email: str = ""


async def host(application: Application, *roles: str) -> Host:
    person = await application.sign_up(*(roles or ("customer", "host")))
    [row] = application.database.rows(
        "UPDATE people SET email_confirmed_at = now() WHERE id = %s RETURNING email", person.id
    )
    return Host(person.id, person.client, row["email"])


async def organisation_of(owner: Customer, name: str | None = None) -> int:
    answer = await owner.client.post("/api/v1/organisations", json={"name": name or unique("organisation")})
    assert answer.status_code == 201, answer.text
    assert answer.json()["role"] == "owner"
    return int(answer.json()["id"])


async def invited(owner: Customer, organisation_id: int, email: str, role: str) -> int:
    answer = await owner.client.post(
        f"/api/v1/organisations/{organisation_id}/invitations", json={"email": email, "role": role}
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def joined(owner: Customer, organisation_id: int, member: Host, role: str) -> None:
    invitation_id = await invited(owner, organisation_id, member.email, role)
    answer = await member.client.post(f"/api/v1/invitations/{invitation_id}/accept")
    assert (answer.status_code, answer.json()["role"]) == (200, role)


async def roles_in_next_token(application: Application, person: Host) -> frozenset[str]:
    login = await application.anonymous.post(
        "/api/v1/login", json={"email": person.email, "password": PASSWORD}
    )
    identity: Identity = application.app.state.callers.tokens.verify(login.json()["access_token"])
    return identity.roles


def set_members(application: Application, organisation_id: int, roles: Mapping[int, str | None]) -> None:
    application.database.rows("DELETE FROM organisation_members WHERE organisation_id = %s", organisation_id)
    for person_id, role in roles.items():
        if role is not None:
            application.database.rows(
                "INSERT INTO organisation_members VALUES (%s, %s, %s)", organisation_id, person_id, role
            )


def members_of(application: Application, organisation_id: int) -> dict[int, str]:
    rows = application.database.rows(
        "SELECT person_id, role FROM organisation_members WHERE organisation_id = %s", organisation_id
    )
    return {row["person_id"]: row["role"] for row in rows}
