"""What administrators may do, to whom.

The rules: nobody acts on themselves; only a superadmin acts on administrators, and makes some. Whether who
asks is an administrator is asked of the account in the transaction of each change, as a token may be old.
All of it is told to the audit log, also what is only read, and what is refused.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from contracts import problems
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool
from service_kit.email_address import folded_email
from service_kit.problem_responses import Problem
from write_api.administered import (
    AdministeredAccount,
    AdministeredAccounts,
    AdministeredEvents,
    AdministeredSessions,
)
from write_api.administration.schemas import (
    AdministeredPerson,
    AdministeredSession,
    AdministeredSessionList,
    AuditEntry,
    AuditPage,
    Deactivation,
    PersonRevocation,
    PersonSearch,
    RevocationBody,
    Role,
    SessionRevocation,
    Suspension,
    TokenRevocation,
)
from write_api.administration.store import AdministrationStore
from write_api.audit_log import NOTHING_MORE, AuditLog, EntryFilter, actor_of

ADMINISTRATORS = frozenset({"admin", "superadmin"})


class AdministrationService:
    """Administration. Each change is one transaction, and told in it."""

    def __init__(
        self,
        pool: Pool,
        store: AdministrationStore,
        audit_log: AuditLog,
        *,
        accounts: AdministeredAccounts,
        sessions: AdministeredSessions,
        events: AdministeredEvents,
    ) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log
        self._accounts = accounts
        self._sessions = sessions
        self._events = events

    async def find(self, asker: Identity, body: PersonSearch) -> AdministeredPerson:
        """The account with an e-mail. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "account-looked-up", "person:unknown") as connection:
            await self._asking(connection, asker)
            account = await self._accounts.find_by_email(connection, email_folded=folded_email(body.email))
            if account is None:
                raise Problem(problems.NOT_FOUND, "No account has this e-mail.")
            await self._record(connection, asker, "account-looked-up", f"person:{account.id}")
        return _person(account)

    async def person(self, asker: Identity, person_id: int) -> AdministeredPerson:
        """The account with an id. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "account-looked-up", f"person:{person_id}") as connection:
            await self._asking(connection, asker)
            account = await self._account(connection, person_id)
            await self._record(connection, asker, "account-looked-up", f"person:{person_id}")
        return _person(account)

    async def grant(self, asker: Identity, person_id: int, role: Role) -> AdministeredPerson:
        """Gives a role; again, it changes nothing. Raises Problem FORBIDDEN, NOT_FOUND."""
        return await self._change_roles(asker, person_id, role, is_granted=True)

    async def withdraw(self, asker: Identity, person_id: int, role: Role) -> AdministeredPerson:
        """Takes a role; again, it changes nothing. Raises Problem FORBIDDEN, NOT_FOUND, CONFLICT."""
        return await self._change_roles(asker, person_id, role, is_granted=False)

    async def _change_roles(
        self, asker: Identity, person_id: int, role: Role, *, is_granted: bool
    ) -> AdministeredPerson:
        """In force within two seconds: the tokens of before are dead, and the next ones say it."""
        action = "role-granted" if is_granted else "role-withdrawn"
        async with self._told(asker, action, f"person:{person_id}") as connection:
            asking, account = await self._acting_on(connection, asker, person_id)
            if role in ADMINISTRATORS and "superadmin" not in asking.roles:
                raise Problem(problems.FORBIDDEN, "Only a superadmin grants and withdraws this role.")
            if account.erased_at is not None:
                raise Problem(problems.CONFLICT, "The account was erased.")
            if not is_granted and account.roles == {role}:
                raise Problem(problems.CONFLICT, "An account keeps at least one role; suspend it instead.")
            change = self._accounts.grant_role if is_granted else self._accounts.withdraw_role
            if await change(connection, person_id=person_id, role=role):
                await self._sessions.revoke_tokens(connection, person_id)
                await self._record(connection, asker, action, f"person:{person_id}", {"role": role})
            return _person(await self._account(connection, person_id))

    async def suspend(self, asker: Identity, person_id: int, body: Suspension) -> AdministeredPerson:
        """No login any more, and all sessions end. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "account-suspended", f"person:{person_id}") as connection:
            await self._acting_on(connection, asker, person_id)
            await self._accounts.suspend(connection, person_id=person_id)
            await self._sessions.end_all(connection, person_id)
            await self._record(
                connection, asker, "account-suspended", f"person:{person_id}", {"reason": body.reason}
            )
            return _person(await self._account(connection, person_id))

    async def lift_suspension(self, asker: Identity, person_id: int) -> AdministeredPerson:
        """Login is possible again. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "suspension-lifted", f"person:{person_id}") as connection:
            _, account = await self._acting_on(connection, asker, person_id)
            if account.suspended_at is not None:
                await self._accounts.lift_suspension(connection, person_id=person_id)
                await self._record(connection, asker, "suspension-lifted", f"person:{person_id}")
            return _person(await self._account(connection, person_id))

    async def sessions(self, asker: Identity, person_id: int) -> AdministeredSessionList:
        """Where somebody is logged in. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "sessions-looked-up", f"person:{person_id}") as connection:
            await self._asking(connection, asker)
            await self._account(connection, person_id)
            rows = await self._sessions.of_person(connection, person_id)
            await self._record(connection, asker, "sessions-looked-up", f"person:{person_id}")
        return AdministeredSessionList(sessions=[AdministeredSession(**row) for row in rows])

    async def end_sessions(self, asker: Identity, person_id: int) -> None:
        """Ends all sessions of a person, with their tokens. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "sessions-ended", f"person:{person_id}") as connection:
            await self._acting_on(connection, asker, person_id)
            await self._sessions.end_all(connection, person_id)
            await self._record(connection, asker, "sessions-ended", f"person:{person_id}")

    async def revoke(self, asker: Identity, body: RevocationBody) -> None:
        """Revokes a person's tokens, a session, or one token. Raises Problem FORBIDDEN, NOT_FOUND.

        Whose token a `jti` names is nowhere stored: it could be an administrator's, so only a superadmin may.
        """
        async with self._told(asker, *_told_as(body)) as connection:
            what = body.revoke
            if isinstance(what, PersonRevocation):
                await self._acting_on(connection, asker, what.person_id)
                await self._sessions.revoke_tokens(connection, what.person_id)
                await self._record(connection, asker, "tokens-revoked", f"person:{what.person_id}")
            elif isinstance(what, SessionRevocation):
                await self._end_session(connection, asker, what.session_id)
            else:
                await self._store.lock_rights(connection)
                asking = await self._asking(connection, asker)
                if "superadmin" not in asking.roles:
                    raise Problem(problems.FORBIDDEN, "Only a superadmin revokes a token by its id.")
                await self._sessions.revoke_token(connection, what.token_id)
                await self._record(connection, asker, "token-revoked", f"token:{what.token_id}")

    async def _end_session(self, connection: Connection, asker: Identity, session_id: int) -> None:
        await self._store.lock_rights(connection)
        person_id = await self._sessions.end_session(connection, session_id)
        if person_id is None:
            await self._asking(connection, asker)
            raise Problem(problems.NOT_FOUND, f"There is no session {session_id}.")
        await self._acting_on(connection, asker, person_id)
        await self._record(
            connection, asker, "session-ended", f"session:{session_id}", {"person_id": person_id}
        )

    async def deactivate_event(self, asker: Identity, event_id: int, body: Deactivation) -> None:
        """Takes an event off sale until that is lifted. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "event-deactivated", f"event:{event_id}") as connection:
            await self._store.lock_rights(connection)
            await self._asking(connection, asker)
            status = await self._events.deactivate(connection, event_id)
            if status is None:
                raise Problem(problems.NOT_FOUND, f"There is no event {event_id}.")
            await self._record(
                connection, asker, "event-deactivated", f"event:{event_id}",
                {"reason": body.reason, "status": status},
            )  # fmt: skip

    async def allow_event(self, asker: Identity, event_id: int) -> None:
        """Lets an event's hosts put it on sale again. Raises Problem FORBIDDEN, NOT_FOUND."""
        async with self._told(asker, "event-activation-allowed", f"event:{event_id}") as connection:
            await self._store.lock_rights(connection)
            await self._asking(connection, asker)
            if not await self._events.allow_activation(connection, event_id):
                raise Problem(problems.NOT_FOUND, f"There is no event {event_id}.")
            await self._record(connection, asker, "event-activation-allowed", f"event:{event_id}")

    async def read_audit_log(self, asker: Identity, entry_filter: EntryFilter, *, limit: int) -> AuditPage:
        """A page of the audit log, the newest first. Raises Problem FORBIDDEN."""
        async with self._told(asker, "audit-log-read", "audit-log:all") as connection:
            await self._asking(connection, asker)
            rows = await self._audit_log.entries(connection, entry_filter, limit=limit + 1)
            about = entry_filter.person_id
            await self._record(
                connection, asker, "audit-log-read", "audit-log:all" if about is None else f"person:{about}"
            )
        has_more = len(rows) > limit
        entries = [AuditEntry(**row) for row in rows[:limit]]
        return AuditPage(entries=entries, next_before_id=entries[-1].id if has_more else None)

    @asynccontextmanager
    async def _told(self, asker: Identity, action: str, subject: str) -> AsyncIterator[Connection]:
        """A transaction; where it is refused to who asks, that is told, in one of its own."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                yield connection
        except Problem as problem:
            if problem.kind is problems.FORBIDDEN:
                async with self._pool.connection() as connection:
                    await self._audit_log.record(
                        connection, actor=actor_of(asker), action=action, subject=subject, outcome="refused"
                    )
            raise

    async def _asking(self, connection: Connection, asker: Identity) -> AdministeredAccount:
        """Who asks, as of now. Raises Problem FORBIDDEN where they are no administrator (any more)."""
        account = await self._accounts.find(connection, person_id=asker.person_id)
        if account is None or account.suspended_at is not None or not account.roles & ADMINISTRATORS:
            raise Problem(problems.FORBIDDEN, "This needs an account with the role admin or superadmin.")
        return account

    async def _account(self, connection: Connection, person_id: int) -> AdministeredAccount:
        account = await self._accounts.find(connection, person_id=person_id)
        if account is None:
            raise Problem(problems.NOT_FOUND, f"There is no person {person_id}.")
        return account

    async def _acting_on(
        self, connection: Connection, asker: Identity, person_id: int
    ) -> tuple[AdministeredAccount, AdministeredAccount]:
        """Who asks and the account of another, under lock. Raises Problem FORBIDDEN, NOT_FOUND."""
        await self._store.lock_rights(connection)
        await self._sessions.lock(connection, person_id)
        asking = await self._asking(connection, asker)
        if person_id == asker.person_id:
            raise Problem(problems.FORBIDDEN, "Nobody administers their own account.")
        account = await self._account(connection, person_id)
        if account.roles & ADMINISTRATORS and "superadmin" not in asking.roles:
            raise Problem(problems.FORBIDDEN, "Only a superadmin acts on an administrator.")
        return asking, account

    async def _record(
        self,
        connection: Connection,
        asker: Identity,
        action: str,
        subject: str,
        details: Mapping[str, Any] = NOTHING_MORE,
    ) -> None:
        await self._audit_log.record(
            connection, actor=actor_of(asker), action=action, subject=subject, details=details
        )


def _told_as(body: RevocationBody) -> tuple[str, str]:
    """Action and subject of a revocation in the audit log."""
    match body.revoke:
        case PersonRevocation(person_id=person_id):
            return "tokens-revoked", f"person:{person_id}"
        case SessionRevocation(session_id=session_id):
            return "session-ended", f"session:{session_id}"
        case TokenRevocation(token_id=token_id):
            return "token-revoked", f"token:{token_id}"


def _person(account: AdministeredAccount) -> AdministeredPerson:
    return AdministeredPerson(**{**asdict(account), "roles": sorted(account.roles)})
