"""The tables of the organisations: organisations, their members and invitations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.organisations.schemas import MemberRole

MAX_MEMBERSHIPS = 200
INVITATION_DAYS = 14


@dataclass(frozen=True, slots=True)
class LockedOrganisation:
    """An organisation under lock, and what the person who asks is in it; None if they are no member."""

    id: int
    name: str
    host_id: int | None
    asker_role: MemberRole | None


@dataclass(frozen=True, slots=True)
class FoundInvitation:
    """An invitation, who has accepted it, and whether it can still be accepted."""

    organisation_id: int
    role: MemberRole
    accepted_by: int | None
    is_open: bool


class OrganisationStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.organisations")

    async def lock(
        self, connection: Connection, organisation_id: int, asker_id: int
    ) -> LockedOrganisation | None:
        """The organisation, whose members nobody else changes until the transaction ends."""
        row = await self._row(connection, "lock_organisation", {"organisation_id": organisation_id})
        if row is None:
            return None
        asker_role = await self.role_of(connection, organisation_id, asker_id)
        return LockedOrganisation(row["id"], row["name"], row["host_id"], asker_role)

    async def role_of(
        self, connection: Connection, organisation_id: int, person_id: int
    ) -> MemberRole | None:
        """What a person is in an organisation; None where they are no member."""
        parameters = {"organisation_id": organisation_id, "person_id": person_id}
        row = await self._row(connection, "select_member", parameters)
        return None if row is None else row["role"]

    async def may_host(self, connection: Connection, person_id: int, organisation_id: int) -> bool:
        """Whether a person is owner or staff, and stays so until the transaction ends."""
        parameters = {"organisation_id": organisation_id, "person_id": person_id}
        return await self._row(connection, "may_host", parameters) is not None

    async def roles_as_member(self, connection: Connection, person_id: int) -> frozenset[str]:
        """The roles in tokens that a person's memberships give."""
        cursor = await connection.execute(self._queries["select_roles_of_member"], {"person_id": person_id})
        roles = {row["role"] for row in await cursor.fetchall()}
        return frozenset("scanner" if role == "scanner" else "host" for role in roles)

    async def own_organisation(self, connection: Connection, person_id: int) -> int | None:
        """The organisation of a person's events that name none."""
        row = await self._row(connection, "find_own_organisation", {"person_id": person_id})
        return None if row is None else row["id"]

    async def insert_own_organisation(self, connection: Connection, person_id: int) -> int:
        """Makes it, with the person as owner, unless another transaction has just done so."""
        await connection.execute(self._queries["insert_own_organisation"], {"person_id": person_id})
        organisation_id = await self.own_organisation(connection, person_id)
        assert organisation_id is not None  # noqa: S101 - made here, or waited for
        await self.insert_member(connection, organisation_id, person_id, "owner")
        return organisation_id

    async def lock_creations(self, connection: Connection, person_id: int) -> None:
        """Waits until nobody else makes an organisation for this person, until the transaction ends."""
        await connection.execute(self._queries["lock_creations"], {"person_id": person_id})

    async def created(self, connection: Connection, person_id: int, name: str) -> int | None:
        """The organisation of this name that the person has made."""
        parameters = {"person_id": person_id, "name": name}
        row = await self._row(connection, "find_created_organisation", parameters)
        return None if row is None else row["id"]

    async def count_created(self, connection: Connection, person_id: int) -> int:
        """How many organisations a person has made."""
        row = await self._row(connection, "count_created_organisations", {"person_id": person_id})
        assert row is not None  # noqa: S101 - an aggregate has a row
        return int(row["organisations"])

    async def insert(self, connection: Connection, person_id: int, name: str) -> int:
        """Makes an organisation with the person as owner; its id."""
        row = await self._row(connection, "insert_organisation", {"person_id": person_id, "name": name})
        assert row is not None  # noqa: S101 - INSERT RETURNING without conflict clause
        await self.insert_member(connection, row["id"], person_id, "owner")
        return int(row["id"])

    async def rename(self, connection: Connection, organisation_id: int, name: str) -> None:
        """Gives an organisation another name."""
        parameters = {"organisation_id": organisation_id, "name": name}
        await connection.execute(self._queries["rename_organisation"], parameters)

    async def of_person(
        self, connection: Connection, person_id: int, *, organisation_id: int | None = None
    ) -> list[Row]:
        """The organisations of a person, or the one of this id if it is one of them."""
        parameters = {"person_id": person_id, "organisation_id": organisation_id, "limit": MAX_MEMBERSHIPS}
        cursor = await connection.execute(self._queries["select_organisations"], parameters)
        return await cursor.fetchall()

    async def members(self, connection: Connection, organisation_id: int) -> list[Row]:
        """Everybody who belongs to it."""
        parameters = {"organisation_id": organisation_id}
        return await (await connection.execute(self._queries["select_members"], parameters)).fetchall()

    async def count_members(self, connection: Connection, organisation_id: int) -> tuple[int, int]:
        """How many members it has, and how many of them are owners."""
        row = await self._row(connection, "count_members", {"organisation_id": organisation_id})
        assert row is not None  # noqa: S101 - an aggregate has a row
        return row["members"], row["owners"]

    async def has_active_events(self, connection: Connection, organisation_id: int) -> bool:
        """Whether people can book something of it that is not over."""
        row = await self._row(connection, "has_active_events", {"organisation_id": organisation_id})
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        return bool(row["has_active_events"])

    async def insert_member(
        self, connection: Connection, organisation_id: int, person_id: int, role: MemberRole
    ) -> bool:
        """Adds a member; False where they are one already, which they stay as they are."""
        parameters = {"organisation_id": organisation_id, "person_id": person_id, "role": role}
        return await self._row(connection, "insert_member", parameters) is not None

    async def change_member(
        self, connection: Connection, organisation_id: int, person_id: int, role: MemberRole | None
    ) -> None:
        """Gives a member another role, or with None removes them."""
        parameters = {"organisation_id": organisation_id, "person_id": person_id, "role": role}
        if role is None:
            await connection.execute(self._queries["delete_member"], parameters)
        else:
            await connection.execute(self._queries["change_member"], parameters)
        if role not in {"owner", "staff"}:
            await connection.execute(self._queries["give_up_own_organisation"], parameters)

    async def count_other_invitations(
        self, connection: Connection, organisation_id: int, email_folded: str
    ) -> int:
        """How many invitations to other e-mails are open; those that are not are removed."""
        parameters = {"organisation_id": organisation_id, "email_folded": email_folded}
        await connection.execute(self._queries["delete_closed_invitations"], parameters)
        row = await self._row(connection, "count_invitations", parameters)
        assert row is not None  # noqa: S101 - an aggregate has a row
        return int(row["invitations"])

    async def invite(
        self, connection: Connection, organisation_id: int, *, email: str, email_folded: str, role: MemberRole
    ) -> Row:
        """Invites an e-mail, anew if it was invited before."""
        parameters = {
            "organisation_id": organisation_id,
            "email": email,
            "email_folded": email_folded,
            "role": role,
            "open_days": INVITATION_DAYS,
        }
        row = await self._row(connection, "invite", parameters)
        assert row is not None  # noqa: S101 - INSERT RETURNING with DO UPDATE
        return row

    async def invitations(self, connection: Connection, organisation_id: int) -> list[Row]:
        """The open invitations of an organisation."""
        parameters = {"organisation_id": organisation_id}
        return await (await connection.execute(self._queries["select_invitations"], parameters)).fetchall()

    async def invitations_to(self, connection: Connection, email_folded: str) -> list[Row]:
        """The open invitations to an e-mail."""
        parameters = {"email_folded": email_folded, "limit": MAX_MEMBERSHIPS}
        cursor = await connection.execute(self._queries["select_own_invitations"], parameters)
        return await cursor.fetchall()

    async def invitation(
        self, connection: Connection, invitation_id: int, email_folded: str
    ) -> FoundInvitation | None:
        """An invitation, open or not; None where there is none of this id to this e-mail."""
        parameters = {"invitation_id": invitation_id, "email_folded": email_folded}
        row = await self._row(connection, "find_invitation", parameters)
        return None if row is None else FoundInvitation(**row)

    async def accept_invitation(self, connection: Connection, invitation_id: int, person_id: int) -> None:
        """Notes who accepted it; the organisation is locked."""
        parameters = {"invitation_id": invitation_id, "person_id": person_id}
        await connection.execute(self._queries["accept_invitation"], parameters)

    async def decline_invitation(
        self, connection: Connection, invitation_id: int, email_folded: str
    ) -> int | None:
        """Removes an invitation that nobody has accepted; the organisation's id, or None without one."""
        parameters = {"invitation_id": invitation_id, "email_folded": email_folded}
        row = await self._row(connection, "decline_invitation", parameters)
        return None if row is None else row["organisation_id"]

    async def forget_own_organisation(self, connection: Connection, person_id: int) -> None:
        """What was a person's own organisation is nobody's own, and says nothing of the person."""
        await connection.execute(self._queries["forget_name_of_own_organisation"], {"person_id": person_id})

    async def delete_invitations_to(self, connection: Connection, email_folded: str) -> None:
        """Removes all invitations to an e-mail, open or not."""
        await connection.execute(self._queries["delete_invitations_to"], {"email_folded": email_folded})

    async def delete_invitation(
        self, connection: Connection, organisation_id: int, invitation_id: int
    ) -> bool:
        """Takes an invitation back; False where the organisation has none of this id."""
        parameters = {"organisation_id": organisation_id, "invitation_id": invitation_id}
        return await self._row(connection, "delete_invitation", parameters) is not None

    async def _row(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
        return await (await connection.execute(self._queries[name], parameters)).fetchone()
