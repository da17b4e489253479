"""What the sessions decide: who gets tokens, for how long, and which of them die early."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from pydantic import SecretStr

from contracts import problems
from contracts.token_claims import Identity, access_token_claims
from service_kit.database import Connection, Pool
from service_kit.problem_responses import Problem
from write_api.attempt_limits import AttemptLimits
from write_api.audit_log import NOBODY, Actor, AuditLog, actor_of
from write_api.known_people import CheckPassword, CredentialsWrongError, FindEmail, FindPerson, KnownPerson
from write_api.organisation_access import RolesAsMember
from write_api.sessions.refresh_tokens import RefreshToken, RefreshTokenRefusedError, RefreshTokens
from write_api.sessions.schemas import Login, Refresh, Session, SessionList, Tokens
from write_api.sessions.store import EndReason, LiveSession, LockedSession, SessionStore

Sign = Callable[[Mapping[str, Any]], str]
"""Makes an access token of claims."""


class SessionService:
    """Login, refresh, log-out. Each change is one transaction; passwords are checked before it."""

    def __init__(
        self,
        pool: Pool,
        store: SessionStore,
        audit_log: AuditLog,
        *,
        check_password: CheckPassword,
        find_person: FindPerson,
        find_email: FindEmail,
        roles_as_member: RolesAsMember,
        sign: Sign,
        refresh_tokens: RefreshTokens,
        login_limits: AttemptLimits,
        issuer: str,
        audience: str,
    ) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log
        self._check_password = check_password
        self._find_person = find_person
        self._find_email = find_email
        self._roles_as_member = roles_as_member
        self._sign = sign
        self._refresh_tokens = refresh_tokens
        self._login_limits = login_limits
        self._issuer = issuer
        self._audience = audience

    async def log_in(self, body: Login, *, client: str, address: str) -> Tokens:
        """A new session. Raises Problem CREDENTIALS_WRONG, TOO_MANY_REQUESTS, TEMPORARILY_UNAVAILABLE."""
        person = await self._check_within_limits(body, address)
        async with self._pool.connection() as connection, connection.transaction():
            await self._store.lock_person(connection, person.person_id)
            now = await self._find_person(connection, person.person_id)
            if now is None or now.password_version != person.password_version:  # erased or changed just now
                raise CredentialsWrongError("Check both, or sign up.", person_id=person.person_id)
            session = await self._store.insert_session(connection, person_id=person.person_id, client=client)
            await self._audit_log.record(
                connection,
                actor=Actor("person", person.person_id),
                action="logged-in",
                subject=f"session:{session.id}",
            )
            return await self._tokens(connection, now, session)

    async def confirm_password(self, person_id: int, password: SecretStr, address: str) -> bool:
        """Checks the password of somebody who is logged in, as strictly as a login does.

        False where the person has none any more. Raises what log_in raises.
        """
        async with self._pool.connection() as connection:
            email = await self._find_email(connection, person_id)
        if email is None:
            return False
        person = await self._check_within_limits(Login(email=email, password=password), address)
        return person.person_id == person_id

    async def end_for_new_password(
        self, connection: Connection, person_id: int, *, kept_session_id: int | None
    ) -> None:
        """Ends all sessions and tokens of a person but those of one session, in the caller's transaction.

        Whoever logs in meanwhile with the password of before waits for it to end, and is refused.
        """
        await self._store.lock_person(connection, person_id)
        if kept_session_id is None:
            await self._store.end_all(connection, person_id=person_id, reason="revoked")
        else:
            await self._store.end_others(connection, person_id=person_id, kept_session_id=kept_session_id)

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Ends all sessions and tokens of a person for good, in the caller's transaction."""
        await self._store.lock_person(connection, person_id)
        await self._store.end_all(connection, person_id=person_id, reason="revoked")
        await self._store.forget_clients(connection, person_id=person_id)

    async def _check_within_limits(self, body: Login, address: str) -> KnownPerson:
        """Counted before the check, so that guesses sent all at once are counted too; a wrong one stays."""
        guess = {"address": address, "email": body.email.casefold()}
        await self._login_limits.count(**guess)
        try:
            person = await self._check_password(body.email, body.password)
        except CredentialsWrongError as error:
            await self._record_refused_login(error.person_id)
            raise
        except Problem:
            await self._login_limits.give_back(**guess)
            raise
        await self._login_limits.give_back(**guess)
        return person

    async def _record_refused_login(self, person_id: int | None) -> None:
        """The same work whether there is such a person or not."""
        async with self._pool.connection() as connection:
            await self._audit_log.record(
                connection,
                actor=NOBODY,
                action="logged-in",
                subject=f"person:{person_id or 'unknown'}",
                outcome="refused",
            )

    async def refresh(self, body: Refresh) -> Tokens:
        """The next tokens of a session. Raises Problem SESSION_ENDED.

        Each refresh token is good once. Asked again within 10 s of its use, for an answer that was lost, it
        gives the same next one. Any older one has been copied: the session ends, for whoever copied it and
        for the person, who has to log in again (RFC 9700, section 4.14.2).
        """
        try:
            token = self._refresh_tokens.read(body.refresh_token.get_secret_value())
        except RefreshTokenRefusedError:
            _refuse("This is no refresh token of ours.")
        async with self._pool.connection() as connection:
            tokens = await self._refresh(connection, token)
        if tokens is None:
            _refuse("The session was ended, has expired, or its refresh token was used twice.")
        return tokens

    async def _refresh(self, connection: Connection, token: RefreshToken) -> Tokens | None:
        """None where the session is over, or ends now: its end has to be committed, so nothing is raised."""
        async with connection.transaction():
            person_id = await self._store.person_of(connection, token.session_id)
            if person_id is None:
                return None
            await self._store.lock_person(connection, person_id)
            session = await self._store.lock_session(connection, token.session_id)
            person = await self._find_person(connection, person_id)
            if session is None or person is None or not session.is_live:
                return None
            if token.sequence == session.refresh_sequence:
                return await self._tokens(connection, person, await self._store.advance(connection, session))
            if token.sequence == session.refresh_sequence - 1 and session.is_just_refreshed:
                return await self._tokens(connection, person, _as_it_is(session))
            await self._store.end(connection, session_id=session.id, person_id=person_id, reason="reused")
            await self._audit_log.record(
                connection,
                actor=NOBODY,
                action="refresh-token-reused",
                subject=f"session:{session.id}",
                outcome="refused",
                details={"person_id": person_id},
            )
            return None

    async def log_out(self, identity: Identity) -> None:
        """Ends the session of the token, which a key never has; what has ended already is fine."""
        if identity.session_id is not None:
            await self._end(identity, identity.session_id, reason="logged_out")

    async def log_out_everywhere(self, identity: Identity) -> None:
        """Ends all sessions of the person, this one too, and all their tokens."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._store.lock_person(connection, identity.person_id)
            await self._store.end_all(connection, person_id=identity.person_id, reason="logged_out")
            await self._audit_log.record(
                connection,
                actor=actor_of(identity),
                action="logged-out-everywhere",
                subject=f"person:{identity.person_id}",
            )

    async def end_session(self, identity: Identity, session_id: int) -> None:
        """Ends one session of the person. Raises Problem NOT_FOUND, also where it is another person's."""
        if not await self._end(identity, session_id, reason="revoked"):
            raise Problem(problems.NOT_FOUND, f"You have no session {session_id}.")

    async def list_own(self, identity: Identity) -> SessionList:
        """Where the person is logged in."""
        async with self._pool.connection() as connection:
            rows = await self._store.sessions(connection, identity.person_id)
        return SessionList(
            sessions=[Session(**row, is_this_one=row["id"] == identity.session_id) for row in rows]
        )

    async def _end(self, identity: Identity, session_id: int, *, reason: EndReason) -> bool:
        async with self._pool.connection() as connection, connection.transaction():
            await self._store.lock_person(connection, identity.person_id)
            has_ended = await self._store.end(
                connection, session_id=session_id, person_id=identity.person_id, reason=reason
            )
            if has_ended:
                await self._audit_log.record(
                    connection,
                    actor=actor_of(identity),
                    action="logged-out" if reason == "logged_out" else "session-ended",
                    subject=f"session:{session_id}",
                )
            return has_ended

    async def _tokens(self, connection: Connection, person: KnownPerson, session: LiveSession) -> Tokens:
        roles_as_member = await self._roles_as_member(connection, person.person_id)
        issued_at: datetime = await self._store.issue_time(connection, person.person_id)
        claims = access_token_claims(
            issuer=self._issuer,
            audience=self._audience,
            person_id=person.person_id,
            roles=person.roles | roles_as_member,
            session_id=session.id,
            token_id=uuid.uuid4().hex,
            now=issued_at,
        )
        return Tokens(
            access_token=self._sign(claims),
            refresh_token=self._refresh_tokens.write(RefreshToken(session.id, session.refresh_sequence)),
            refresh_expires_at=session.expires_at,
        )


def _as_it_is(session: LockedSession) -> LiveSession:
    return LiveSession(session.id, session.refresh_sequence, session.expires_at)


def _refuse(detail: str) -> NoReturn:
    raise Problem(problems.SESSION_ENDED, detail)
