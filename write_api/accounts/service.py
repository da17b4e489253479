"""What accounts decide: who may have one, whose e-mail is confirmed, and whose password is right."""

from datetime import UTC, datetime

from pydantic import SecretStr

from contracts import problems
from service_kit.database import Connection, Pool
from service_kit.email_address import folded_email
from service_kit.problem_responses import Problem
from service_kit.signed_links import LinkRefusedError
from write_api.account_links import AccountLinks
from write_api.accounts.limits import MERGE_SECONDS
from write_api.accounts.passwords import PasswordHashing, PasswordQueueFullError
from write_api.accounts.schemas import Confirmation, Mailing, SignedUp, SignUp
from write_api.accounts.store import AccountStore
from write_api.attempt_limits import AttemptLimits
from write_api.audit_log import Actor, AuditLog
from write_api.known_people import CredentialsWrongError, KnownPerson
from write_api.notices import Notify, Template, ToAccountOf


class AccountService:
    """Accounts and their passwords. No connection is held while a password is hashed."""

    def __init__(
        self,
        pool: Pool,
        store: AccountStore,
        passwords: PasswordHashing,
        audit_log: AuditLog,
        *,
        notify: Notify,
        links: AccountLinks,
        sign_up_limits: AttemptLimits,
        mail_limits: AttemptLimits,
    ) -> None:
        self._pool = pool
        self._store = store
        self._passwords = passwords
        self._audit_log = audit_log
        self._notify = notify
        self._links = links
        self._sign_up_limits = sign_up_limits
        self._mail_limits = mail_limits

    async def sign_up(self, body: SignUp, *, address: str) -> SignedUp:
        """Makes an account, or tells the owner of the one there is. Raises Problem TOO_MANY_REQUESTS,
        TEMPORARILY_UNAVAILABLE.

        The same statements either way, and a row in the end: neither the answer nor its time tells which.
        """
        email = folded_email(body.email)
        await self._sign_up_limits.count(address=address, email=email)
        try:
            password_hash = await self._passwords.hash(body.password.get_secret_value())
        except PasswordQueueFullError:
            raise too_many_at_once() from None
        async with self._pool.connection() as connection, connection.transaction():
            person_id = await self._store.insert_person(
                connection,
                email=body.email,
                email_folded=email,
                password_hash=password_hash,
                display_name=body.display_name or body.email.partition("@")[0],
                roles=sorted(set(body.roles)),
            )
            template: Template = "account_exists" if person_id is None else "confirm_email"
            await self._notify(connection, template, ToAccountOf(email), merge_seconds=MERGE_SECONDS)
        return SignedUp(email=body.email)

    async def confirm(self, body: Confirmation) -> None:
        """Confirms an e-mail, once or again. Raises Problem LINK_REFUSED."""
        try:
            person_id = self._links.read_confirmation(body.token.get_secret_value(), now=datetime.now(UTC))
        except LinkRefusedError as error:
            raise link_refused(str(error)) from None
        async with self._pool.connection() as connection, connection.transaction():
            is_news = await self._store.confirm_email(connection, person_id=person_id)
            if is_news:
                await self._audit_log.record(
                    connection,
                    actor=Actor("person", person_id),
                    action="email-confirmed",
                    subject=f"person:{person_id}",
                )
            elif await self._store.email(connection, person_id=person_id) is None:
                raise link_refused("its account does not exist")

    async def resend_confirmation(self, body: Mailing, *, address: str) -> None:
        """Queues the mail, for whoever has an account by then. Raises Problem TOO_MANY_REQUESTS."""
        email = folded_email(body.email)
        await self._mail_limits.count(address=address, email=email)
        async with self._pool.connection() as connection, connection.transaction():
            await self._notify(connection, "confirm_email", ToAccountOf(email), merge_seconds=MERGE_SECONDS)

    async def add_person_without_password(self, connection: Connection, email: str, name: str) -> int:
        """Makes somebody who can't log in, in the caller's transaction; answers the id."""
        return await self._store.insert_person_without_password(connection, email=email, display_name=name)

    async def check_password(self, email: str, password: SecretStr) -> KnownPerson:
        """Who has this e-mail and password. Raises CredentialsWrongError, Problem TEMPORARILY_UNAVAILABLE.

        Exactly one verification, whether the person exists or not: time tells nobody who has an account.
        """
        async with self._pool.connection() as connection:
            known = await self._store.credentials(connection, email_folded=folded_email(email))
        password_hash = self._passwords.dummy_hash if known is None else known.password_hash
        try:
            is_right = await self._passwords.verify(password_hash, password.get_secret_value())
        except PasswordQueueFullError:
            raise too_many_at_once() from None
        if known is None or not is_right or known.is_suspended:
            person_id = None if known is None else known.person.person_id
            raise CredentialsWrongError("Check both, or sign up.", person_id=person_id)
        return known.person

    async def confirmed_email(self, connection: Connection, person_id: int) -> str | None:
        """The folded e-mail of whoever has this id, if they have shown that it is theirs."""
        return await self._store.confirmed_email(connection, person_id=person_id)

    async def find_person(self, connection: Connection, person_id: int) -> KnownPerson | None:
        """Who has this id and can log in, with the roles of now."""
        return await self._store.known_person(connection, person_id=person_id)

    async def find_email(self, connection: Connection, person_id: int) -> str | None:
        """By what somebody logs in; None where nobody with this id can."""
        return await self._store.email(connection, person_id=person_id)

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Removes name, e-mail and password, in the caller's transaction; the id and the roles stay."""
        await self._store.erase(connection, person_id=person_id)


def too_many_at_once() -> Problem:
    """The password queue is full."""
    return Problem(problems.TEMPORARILY_UNAVAILABLE, "Too many people log in right now.")


def link_refused(reason: str) -> Problem:
    """A code of a mail that is none, or no longer."""
    return Problem(problems.LINK_REFUSED, f"Ask for a new mail: {reason}.")
