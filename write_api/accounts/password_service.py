"""What is decided about new passwords: who may set one, and whom that logs out."""

from datetime import UTC, datetime
from typing import Protocol

from psycopg import Rollback
from pydantic import SecretStr

from contracts import problems
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool
from service_kit.email_address import folded_email
from service_kit.problem_responses import Problem
from service_kit.signed_links import LinkRefusedError
from write_api.account_links import AccountLinks
from write_api.accounts.limits import MERGE_SECONDS
from write_api.accounts.passwords import PasswordHashing, PasswordQueueFullError
from write_api.accounts.schemas import Mailing, PasswordChange, PasswordReset
from write_api.accounts.service import link_refused, too_many_at_once
from write_api.accounts.store import AccountStore
from write_api.attempt_limits import AttemptLimits
from write_api.audit_log import Actor, AuditLog
from write_api.known_people import ConfirmPassword
from write_api.notices import Notify, ToAccountOf, ToPerson

_RESET = "password-reset"


class EndSessions(Protocol):
    """Ends a person's sessions and their tokens, in the caller's transaction; no new one comes in before."""

    async def __call__(self, connection: Connection, person_id: int, *, kept_session_id: int | None) -> None:
        """All of them, or all but one."""
        ...


class PasswordService:
    """Forgotten, reset and changed passwords. Each change raises the password's version.

    What was made for an earlier version is dead then: links to reset it, and logins that were under way.
    """

    def __init__(
        self,
        pool: Pool,
        store: AccountStore,
        passwords: PasswordHashing,
        audit_log: AuditLog,
        *,
        notify: Notify,
        links: AccountLinks,
        mail_limits: AttemptLimits,
        confirm_password: ConfirmPassword,
        end_sessions: EndSessions,
    ) -> None:
        self._pool = pool
        self._store = store
        self._passwords = passwords
        self._audit_log = audit_log
        self._notify = notify
        self._links = links
        self._mail_limits = mail_limits
        self._confirm_password = confirm_password
        self._end_sessions = end_sessions

    async def forgotten(self, body: Mailing, *, address: str) -> None:
        """Queues a link for whoever has an account by then. Raises Problem TOO_MANY_REQUESTS.

        Nobody is looked up for the request: with an account or without, one row is written.
        """
        email = folded_email(body.email)
        await self._mail_limits.count(address=address, email=email)
        async with self._pool.connection() as connection, connection.transaction():
            await self._notify(connection, "password_reset", ToAccountOf(email), merge_seconds=MERGE_SECONDS)

    async def reset(self, body: PasswordReset) -> None:
        """A new password by a link, which confirms the e-mail too: whoever has the link reads its mail.

        Raises Problem LINK_REFUSED, TEMPORARILY_UNAVAILABLE.
        """
        try:
            link = self._links.read_reset(body.token.get_secret_value(), now=datetime.now(UTC))
        except LinkRefusedError as error:
            raise link_refused(str(error)) from None
        async with self._pool.connection() as connection:
            version = await self._store.password_version(connection, person_id=link.subject)
        if version != link.version:  # before a password is hashed for nothing
            raise link_refused("it was used, or the password has changed since")
        if not await self._set(
            link.subject, link.version, body.password, action=_RESET, kept_session_id=None
        ):
            raise link_refused("it was used, or the password has changed since")

    async def change(self, identity: Identity, body: PasswordChange, *, address: str) -> None:
        """A new password by the present one. Raises Problem CREDENTIALS_WRONG, TOO_MANY_REQUESTS,
        TOKEN_INVALID, CONFLICT, TEMPORARILY_UNAVAILABLE.
        """
        async with self._pool.connection() as connection:
            version = await self._store.password_version(connection, person_id=identity.person_id)
        if version is None or not await self._confirm_password(identity.person_id, body.current, address):
            raise Problem(problems.TOKEN_INVALID, "The token's account has no password.")
        if not await self._set(
            identity.person_id,
            version,
            body.new,
            action="password-changed",
            kept_session_id=identity.session_id,
        ):
            raise Problem(problems.CONFLICT, "The password was changed by somebody else meanwhile.")

    async def _set(
        self, person_id: int, version: int, password: SecretStr, *, action: str, kept_session_id: int | None
    ) -> bool:
        """Replaces the password of this version; False where it has another version by now."""
        try:
            password_hash = await self._passwords.hash(password.get_secret_value())
        except PasswordQueueFullError:
            raise too_many_at_once() from None
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            # The sessions' lock comes before any row's.
            await self._end_sessions(connection, person_id, kept_session_id=kept_session_id)
            is_set = await self._store.set_password(
                connection,
                person_id=person_id,
                version=version,
                password_hash=password_hash,
                confirms_email=action == _RESET,
            )
            if not is_set:
                raise Rollback(transaction)  # the sessions go on; it ends the block, not the method
            await self._notify(connection, "password_changed", ToPerson(person_id))
            await self._audit_log.record(
                connection, actor=Actor("person", person_id), action=action, subject=f"person:{person_id}"
            )
        return is_set
