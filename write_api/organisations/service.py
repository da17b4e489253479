"""What the organisations decide: who belongs to them, and who may say so.

Owners manage the organisation and its members. Staff make and change its events, as owners do; scanners may
do nothing with events. To those who don't belong to it, an organisation is as if it were not there.
"""

from contracts import problems
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool
from service_kit.email_address import folded_email
from service_kit.problem_responses import Problem
from write_api.audit_log import NOTHING_MORE, AuditLog, actor_of
from write_api.known_people import ConfirmedEmail, FindPerson
from write_api.organisations.schemas import (
    Invitation,
    InvitationBody,
    InvitationList,
    Member,
    MemberChange,
    MemberList,
    MemberRole,
    Organisation,
    OrganisationBody,
    OrganisationList,
    OwnInvitation,
    OwnInvitationList,
)
from write_api.organisations.store import LockedOrganisation, OrganisationStore

MAX_CREATED_ORGANISATIONS = 20
MAX_MEMBERS = 500
MAX_INVITATIONS = 100


class OrganisationService:
    """Organisations and their members. Each change is one transaction, under the organisation's lock."""

    def __init__(
        self,
        pool: Pool,
        store: OrganisationStore,
        audit_log: AuditLog,
        *,
        find_person: FindPerson,
        confirmed_email: ConfirmedEmail,
    ) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log
        self._find_person = find_person
        self._confirmed_email = confirmed_email

    async def own_organisation(self, connection: Connection, person_id: int) -> int:
        """Where the person's events go that name no organisation; made with the first of them.

        Raises Problem FORBIDDEN where the account itself may not host, but only its memberships do.
        """
        organisation_id = await self._store.own_organisation(connection, person_id)
        if organisation_id is not None:
            return organisation_id
        person = await self._find_person(connection, person_id)
        if person is None:
            raise Problem(problems.TOKEN_INVALID, "The token's account does not exist.")
        if "host" not in person.roles:
            raise Problem(problems.FORBIDDEN, "You have no organisation of your own: give organisation_id.")
        return await self._store.insert_own_organisation(connection, person_id)

    async def create(self, asker: Identity, body: OrganisationBody) -> tuple[Organisation, bool]:
        """Makes an organisation; tells whether it is new. Raises Problem CONFLICT beyond the bound."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._store.lock_creations(connection, asker.person_id)
            organisation_id = await self._store.created(connection, asker.person_id, body.name)
            if organisation_id is not None:
                return await self._organisation(connection, asker, organisation_id), False
            if await self._store.count_created(connection, asker.person_id) >= MAX_CREATED_ORGANISATIONS:
                raise Problem(
                    problems.CONFLICT, f"You have made {MAX_CREATED_ORGANISATIONS} organisations already."
                )
            organisation_id = await self._store.insert(connection, asker.person_id, body.name)
            await self._record(connection, asker, "organisation-created", organisation_id)
            return await self._organisation(connection, asker, organisation_id), True

    async def list_own(self, asker: Identity) -> OrganisationList:
        """The organisations that the person belongs to."""
        async with self._pool.connection() as connection:
            rows = await self._store.of_person(connection, asker.person_id)
        return OrganisationList(organisations=[Organisation(**row) for row in rows])

    async def rename(self, asker: Identity, organisation_id: int, body: OrganisationBody) -> Organisation:
        """Gives it another name. Raises Problem NOT_FOUND, FORBIDDEN."""
        async with self._pool.connection() as connection, connection.transaction():
            organisation = await self._owned(connection, asker, organisation_id)
            if organisation.name != body.name:
                await self._store.rename(connection, organisation_id, body.name)
                await self._record(connection, asker, "organisation-renamed", organisation_id)
            return await self._organisation(connection, asker, organisation_id)

    async def members(self, asker: Identity, organisation_id: int) -> MemberList:
        """Everybody who belongs to it. Raises Problem NOT_FOUND, FORBIDDEN."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._owned(connection, asker, organisation_id)
            rows = await self._store.members(connection, organisation_id)
        return MemberList(members=[Member(**row) for row in rows])

    async def change_member(
        self, asker: Identity, organisation_id: int, person_id: int, body: MemberChange
    ) -> MemberList:
        """Gives a member another role. Raises Problem NOT_FOUND, FORBIDDEN, CONFLICT for the last owner."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._owned(connection, asker, organisation_id)
            before = await self._member_role(connection, organisation_id, person_id)
            if before != body.role:
                await self._keep_an_owner(connection, organisation_id, before)
                await self._store.change_member(connection, organisation_id, person_id, body.role)
                await self._audit_log.record(
                    connection,
                    actor=actor_of(asker),
                    action="member-role-changed",
                    subject=f"person:{person_id}",
                    details={"organisation_id": organisation_id, "from": before, "to": body.role},
                )
            rows = await self._store.members(connection, organisation_id)
        return MemberList(members=[Member(**row) for row in rows])

    async def remove_member(self, asker: Identity, organisation_id: int, person_id: int) -> None:
        """Removes a member, or lets somebody leave. Raises Problem NOT_FOUND, FORBIDDEN, CONFLICT."""
        async with self._pool.connection() as connection, connection.transaction():
            organisation = await self._joined(connection, asker, organisation_id)
            if person_id != asker.person_id:
                _require_owner(organisation)
            before = await self._member_role(connection, organisation_id, person_id)
            await self._keep_an_owner(connection, organisation_id, before)
            await self._store.change_member(connection, organisation_id, person_id, None)
            await self._audit_log.record(
                connection,
                actor=actor_of(asker),
                action="member-left" if person_id == asker.person_id else "member-removed",
                subject=f"person:{person_id}",
                details={"organisation_id": organisation_id, "from": before},
            )

    async def invite(self, asker: Identity, organisation_id: int, body: InvitationBody) -> Invitation:
        """Invites an e-mail, whoever has it. Raises Problem NOT_FOUND, FORBIDDEN, CONFLICT."""
        email_folded = folded_email(body.email)
        async with self._pool.connection() as connection, connection.transaction():
            await self._owned(connection, asker, organisation_id)
            others = await self._store.count_other_invitations(connection, organisation_id, email_folded)
            if others >= MAX_INVITATIONS:
                raise Problem(problems.CONFLICT, f"{MAX_INVITATIONS} invitations are open already.")
            row = await self._store.invite(
                connection, organisation_id, email=body.email, email_folded=email_folded, role=body.role
            )
            await self._record(
                connection, asker, "member-invited", organisation_id,
                details={"invitation_id": row["id"], "role": body.role},
            )  # fmt: skip
        return Invitation(**row)

    async def invitations(self, asker: Identity, organisation_id: int) -> InvitationList:
        """The open invitations of an organisation. Raises Problem NOT_FOUND, FORBIDDEN."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._owned(connection, asker, organisation_id)
            rows = await self._store.invitations(connection, organisation_id)
        return InvitationList(invitations=[Invitation(**row) for row in rows])

    async def withdraw(self, asker: Identity, organisation_id: int, invitation_id: int) -> None:
        """Takes an invitation back. Raises Problem NOT_FOUND, FORBIDDEN."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._owned(connection, asker, organisation_id)
            if not await self._store.delete_invitation(connection, organisation_id, invitation_id):
                raise Problem(problems.NOT_FOUND, f"There is no invitation {invitation_id}.")
            await self._record(
                connection, asker, "invitation-withdrawn", organisation_id,
                details={"invitation_id": invitation_id},
            )  # fmt: skip

    async def own_invitations(self, asker: Identity) -> OwnInvitationList:
        """The open invitations to the person's e-mail; none until it is confirmed."""
        async with self._pool.connection() as connection:
            email_folded = await self._confirmed_email(connection, asker.person_id)
            rows = [] if email_folded is None else await self._store.invitations_to(connection, email_folded)
        return OwnInvitationList(invitations=[OwnInvitation(**row) for row in rows])

    async def accept(self, asker: Identity, invitation_id: int) -> Organisation:
        """Makes the person a member; who is one already stays what they are.

        Raises Problem NOT_FOUND, also where the invitation is to another e-mail or has expired, and CONFLICT.
        """
        async with self._pool.connection() as connection, connection.transaction():
            email_folded = await self._invited_email(connection, asker, invitation_id)
            found = await self._store.invitation(connection, invitation_id, email_folded)
            if found is None:
                raise _no_invitation(invitation_id)
            await self._store.lock(connection, found.organisation_id, asker.person_id)
            invitation = await self._store.invitation(connection, invitation_id, email_folded)
            if invitation is not None and invitation.accepted_by == asker.person_id:
                return await self._organisation(connection, asker, invitation.organisation_id)
            if invitation is None or not invitation.is_open:
                raise _no_invitation(invitation_id)
            await self._store.accept_invitation(connection, invitation_id, asker.person_id)
            await self._join(connection, asker, invitation.organisation_id, invitation.role)
            return await self._organisation(connection, asker, invitation.organisation_id)

    async def _join(
        self, connection: Connection, asker: Identity, organisation_id: int, role: MemberRole
    ) -> None:
        members, _ = await self._store.count_members(connection, organisation_id)
        if members >= MAX_MEMBERS:
            raise Problem(problems.CONFLICT, f"The organisation has {MAX_MEMBERS} members already.")
        if await self._store.insert_member(connection, organisation_id, asker.person_id, role):
            await self._record(connection, asker, "member-joined", organisation_id, details={"role": role})

    async def decline(self, asker: Identity, invitation_id: int) -> None:
        """Refuses an invitation. Raises Problem NOT_FOUND."""
        async with self._pool.connection() as connection, connection.transaction():
            email_folded = await self._invited_email(connection, asker, invitation_id)
            organisation_id = await self._store.decline_invitation(connection, invitation_id, email_folded)
            if organisation_id is None:
                raise _no_invitation(invitation_id)
            await self._record(
                connection, asker, "invitation-declined", organisation_id,
                details={"invitation_id": invitation_id},
            )  # fmt: skip

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Erases memberships, invitations and the name of the own organisation; harmless to repeat.

        Raises Problem ACCOUNT_NEEDED where an organisation with other members, or with active events to come,
        would have no owner any more.
        """
        for row in await self._store.of_person(connection, person_id):
            await self._store.lock(connection, row["id"], person_id)
            members, owners = await self._store.count_members(connection, row["id"])
            if row["role"] == "owner" and owners == 1 and members > 1:
                raise Problem(
                    problems.ACCOUNT_NEEDED,
                    f"Organisation {row['id']} would have no owner: make another member one first.",
                )
        await self._store.forget_own_organisation(connection, person_id)
        for row in await self._store.of_person(connection, person_id):
            await self._store.change_member(connection, row["id"], person_id, None)
            # After the removal, for which an event that is being made is waited for.
            _, owners = await self._store.count_members(connection, row["id"])
            if not owners and await self._store.has_active_events(connection, row["id"]):
                raise Problem(
                    problems.ACCOUNT_NEEDED,
                    f"Organisation {row['id']} has active events: cancel them first, or let another own it.",
                )
        email_folded = await self._confirmed_email(connection, person_id)
        if email_folded is not None:
            await self._store.delete_invitations_to(connection, email_folded)

    async def _invited_email(self, connection: Connection, asker: Identity, invitation_id: int) -> str:
        """The person's folded e-mail. Raises Problem NOT_FOUND until it is confirmed."""
        email_folded = await self._confirmed_email(connection, asker.person_id)
        if email_folded is None:
            raise _no_invitation(invitation_id)
        return email_folded

    async def _joined(
        self, connection: Connection, asker: Identity, organisation_id: int
    ) -> LockedOrganisation:
        """The organisation under lock. Raises Problem NOT_FOUND where the person does not belong to it."""
        organisation = await self._store.lock(connection, organisation_id, asker.person_id)
        if organisation is None or organisation.asker_role is None:
            raise Problem(problems.NOT_FOUND, f"You belong to no organisation {organisation_id}.")
        return organisation

    async def _owned(
        self, connection: Connection, asker: Identity, organisation_id: int
    ) -> LockedOrganisation:
        """The organisation under lock. Raises Problem NOT_FOUND, FORBIDDEN where they don't own it."""
        organisation = await self._joined(connection, asker, organisation_id)
        _require_owner(organisation)
        return organisation

    async def _member_role(self, connection: Connection, organisation_id: int, person_id: int) -> MemberRole:
        role = await self._store.role_of(connection, organisation_id, person_id)
        if role is None:
            raise Problem(problems.NOT_FOUND, f"The organisation has no member {person_id}.")
        return role

    async def _keep_an_owner(self, connection: Connection, organisation_id: int, before: MemberRole) -> None:
        """Raises Problem CONFLICT where somebody who is no owner any more would have been the last."""
        _, owners = await self._store.count_members(connection, organisation_id)
        if before == "owner" and owners == 1:
            raise Problem(
                problems.CONFLICT, "An organisation keeps at least one owner: make another one first."
            )

    async def _organisation(
        self, connection: Connection, asker: Identity, organisation_id: int
    ) -> Organisation:
        rows = await self._store.of_person(connection, asker.person_id, organisation_id=organisation_id)
        if not rows:
            raise Problem(problems.NOT_FOUND, f"You belong to no organisation {organisation_id}.")
        return Organisation(**rows[0])

    async def _record(
        self,
        connection: Connection,
        asker: Identity,
        action: str,
        organisation_id: int,
        *,
        details: dict[str, object] | None = None,
    ) -> None:
        await self._audit_log.record(
            connection,
            actor=actor_of(asker),
            action=action,
            subject=f"organisation:{organisation_id}",
            details=details or NOTHING_MORE,
        )


def _require_owner(organisation: LockedOrganisation) -> None:
    if organisation.asker_role != "owner":
        raise Problem(problems.FORBIDDEN, "This is for owners of the organisation.")


def _no_invitation(invitation_id: int) -> Problem:
    return Problem(problems.NOT_FOUND, f"There is no open invitation {invitation_id} to your e-mail.")
