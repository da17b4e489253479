"""The people of one cell of the table with what they own, and every kind of caller that the table has.

Whatever a path or a body needs is made when it is asked for, by its owner. To add a kind of caller, add it to
CALLERS and a column of that name to docs/permissions.md; to add what a path parameter stands for, add a
method of the parameter's name.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from contracts.api_keys import API_KEY_HEADER, SCOPES, Scope, new_api_key
from mini_auth.guest_links import GUEST_LINK_HEADER, GuestLinkDesk
from tests.api_keys import with_another_secret
from tests.integration.permission_table.world import Individual, World
from tests.integration.write_api.application import SEALING_KEY, event_body
from tests.tokens import es256_key
from write_api.sessions.refresh_tokens import RefreshToken, RefreshTokens
from write_api.signing_keys.sealed_key import SigningKey

Headers = dict[str, str]

ROLES = {
    "customer": ["customer"],
    "other customer": ["customer"],
    "host": ["host"],
    "other host": ["host"],
    "staff": ["customer", "host"],
    "scanner": ["scanner"],
    "admin": ["admin"],
    "superadmin": ["superadmin"],
    "guest": ["customer"],
}
"""Who has an account: booking, session and key of the table are the customer's, its event is the host's."""

MEMBERS = {"host": "owner", "staff": "staff", "scanner": "scanner"}
"""What people are in the host's organisation, to which the event belongs."""

OWNER_OF_KEY: Mapping[Scope, str] = {
    "events:read": "host",
    "events:write": "host",
    "bookings:read": "customer",
    "bookings:write": "customer",
    "tokens:introspect": "admin",
}
"""Whose key with one scope is a caller: somebody who may do that much."""


class Cast:
    """People and things, each made at its first use. `situation` is the word that the table's row gives."""

    def __init__(self, world: World, situation: str = "") -> None:
        self.world = world
        self._situation = situation
        self._people: dict[str, Individual] = {}
        self._made: dict[str, int] = {}

    def person(self, name: str) -> Individual:
        if name not in self._people:
            self._people[name] = self.world.make_person(ROLES[name])
            if name in MEMBERS:
                self.world.make_member(self.organisation(), self._people[name].id, MEMBERS[name])
        return self._people[name]

    def organisation(self) -> int:
        """The host's."""
        if "organisation" not in self._made:
            founder = self.world.make_person(["host"])
            self._made["organisation"] = self.world.make_organisation(founder.id)
        return self._made["organisation"]

    def bearer(self, name: str) -> Headers:
        return {"Authorization": f"Bearer {self.world.token(self.person(name))}"}

    def key(self, scope: Scope) -> Headers:
        return {API_KEY_HEADER: self.world.make_key(self.person(OWNER_OF_KEY[scope]).id, scope)}

    async def event_id(self) -> int:
        status = "inactive" if self._situation == "inactive event" else "active"
        return await self._once(
            "/api/v1/events", "host", event_body(status=status, organisation_id=self.organisation())
        )

    async def ticket_type_id(self) -> int:
        """The only one of that event."""
        statement = "SELECT id FROM ticket_types WHERE event_id = %s"
        return int(self.world.row(statement, await self.event_id())["id"])

    async def organisation_id(self) -> int:
        return self.organisation()

    async def person_id(self) -> int:
        """A member of the organisation, or an administrator."""
        if self._situation == "of an administrator":
            return self.person("admin").id
        return self.person("staff").id

    async def role(self) -> str:
        """What is granted or withdrawn."""
        return "admin" if self._situation == "role admin" else "scanner"

    async def invitation_id(self) -> int:
        """The organisation invites the customer."""
        return self.world.make_invitation(self.organisation(), self.person("customer"))

    async def booking_id(self) -> int:
        body = {"event_id": await self.event_id(), "quantity": 1}
        return await self._once("/api/v1/bookings", "customer", body)

    async def order_id(self) -> int:
        item = {"event_id": await self.event_id(), "quantity": 1}
        return await self._once("/api/v1/orders", "customer", {"items": [item]})

    async def sold_out_event_id(self) -> int:
        """The host has its only seat."""
        if "sold out" not in self._made:
            body = event_body(available_seats=1, organisation_id=self.organisation())
            self._made["sold out"] = await self._made_by("host", "/api/v1/events", body)
            seat = {"event_id": self._made["sold out"], "quantity": 1}
            await self._made_by("host", "/api/v1/bookings", seat)
        return self._made["sold out"]

    async def entry_id(self) -> int:
        """The customer waits for it."""
        body = {"event_id": await self.sold_out_event_id(), "quantity": 1}
        return await self._once("/api/v1/waitlist", "customer", body)

    async def session_id(self) -> int:
        """Another than that of the token."""
        return self.world.make_session(self.person("customer").id)

    async def api_key_id(self) -> int:
        body = {"name": "a key", "scopes": ["events:read"]}
        return await self._once("/api/v1/api-keys", "customer", body)

    def refresh_token(self) -> str:
        tokens = RefreshTokens(_sealing_key())
        return tokens.write(RefreshToken(self.person("customer").session_id, 1))

    def confirmation(self) -> str:
        """The code of a mail to the customer."""
        return self.world.account_links.confirmation(self.person("customer").id, now=datetime.now(UTC))

    def reset(self) -> str:
        """The code of another mail to the customer, whose password was never changed."""
        return self.world.account_links.reset(self.person("customer").id, 1, now=datetime.now(UTC))

    async def _once(self, path: str, owner: str, body: dict[str, Any]) -> int:
        if path not in self._made:
            self._made[path] = await self._made_by(owner, path, body)
        return self._made[path]

    async def _made_by(self, owner: str, path: str, body: dict[str, Any]) -> int:
        answer = await self.world.send("write_api", "POST", path, self.bearer(owner), {"json": body})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])


CALLERS: dict[str, Callable[[Cast], Headers]] = {
    "none": lambda _: {},
    "guest": lambda cast: {GUEST_LINK_HEADER: cast.world.guest_link(cast.person("guest").id)},
    **{name: lambda cast, name=name: cast.bearer(name) for name in ROLES if name != "guest"},  # type: ignore[misc]
    **{f"key {scope}": lambda cast, scope=scope: cast.key(scope) for scope in SCOPES},  # type: ignore[misc]
}
"""Each column of the table but the last."""

DEAD = "dead"
"""The last column: whatever is no good any more, or never was. All of these are answered alike."""


def dead_callers(world: World) -> dict[str, Headers]:
    """Everything that may be sent in vain, by people with all roles and keys with all scopes."""
    person, revoked = (world.make_person(["customer", "host", "admin", "superadmin"]) for _ in range(2))
    revoked_session = world.make_person(["customer", "host"])
    world.revoke("person", revoked.id)
    world.revoke("session", revoked_session.session_id)
    world.revoke("token", "a-revoked-token")
    stranger = es256_key(world.signing_key.key_id)
    forged = SigningKey(world.signing_key.key_id, stranger.private_key)
    now = int(datetime.now(UTC).timestamp())
    good, key = world.token(person), world.make_key(person.id, *SCOPES)
    tokens = {
        "expired token": world.token(person, seconds_ago=600),
        "token of tomorrow": world.token(person, iat=now + 86_400, exp=now + 86_700),
        "revoked token": world.token(person, jti="a-revoked-token"),
        "token of a revoked session": world.token(revoked_session),
        "token of a revoked person": world.token(revoked, seconds_ago=2),
        "token of another environment": world.token(person, iss="https://staging.frontrow.test"),
        "token for somebody else": world.token(person, aud="another-api"),
        "forged token": forged.sign({"sub": "1"}),
        "refresh token": RefreshTokens(_sealing_key()).write(RefreshToken(person.session_id, 1)),
        "no token": "x",
    }
    keys = {
        "expired key": world.make_key(person.id, *SCOPES, days=0),
        "key that was never made": new_api_key().text,
        "key with another secret": with_another_secret(key),
        "no key": "x",
    }
    links = {
        "expired guest link": world.guest_link(person.id, days_ago=500),
        "revoked guest link": world.guest_link(revoked.id, days_ago=1),
        "forged guest link": GuestLinkDesk(b"another secret").write(person.id, now=datetime.now(UTC))[0],
    }
    return {
        **{name: {GUEST_LINK_HEADER: link} for name, link in links.items()},
        **{name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()},
        **{name: {API_KEY_HEADER: text} for name, text in keys.items()},
        "token and key": {"Authorization": f"Bearer {good}", API_KEY_HEADER: key},
    }


def _sealing_key() -> bytes:
    return base64.b64decode(SEALING_KEY)
