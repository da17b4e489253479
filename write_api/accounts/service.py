"""What accounts decide: who may have one, and whose password is right."""

from pydantic import SecretStr

from contracts import problems
from service_kit.database import Connection, Pool
from service_kit.email_address import folded_email
from service_kit.problem_responses import Problem
from write_api.accounts.passwords import PasswordHashing, PasswordQueueFullError
from write_api.accounts.schemas import Person, SignUp
from write_api.accounts.store import AccountStore
from write_api.known_people import CredentialsWrongError, KnownPerson


class AccountService:
    """Accounts and their passwords. No connection is held while a password is hashed."""

    def __init__(self, pool: Pool, store: AccountStore, passwords: PasswordHashing) -> None:
        self._pool = pool
        self._store = store
        self._passwords = passwords

    async def sign_up(self, body: SignUp) -> Person:
        """Makes an account. Raises Problem EMAIL_TAKEN, TEMPORARILY_UNAVAILABLE."""
        try:
            password_hash = await self._passwords.hash(body.password.get_secret_value())
        except PasswordQueueFullError:
            raise _too_many_at_once() from None
        async with self._pool.connection() as connection:
            row = await self._store.insert_person(
                connection,
                email=body.email,
                email_folded=folded_email(body.email),
                password_hash=password_hash,
                display_name=body.display_name or body.email.partition("@")[0],
                roles=sorted(set(body.roles)),
            )
        if row is None:
            raise Problem(problems.EMAIL_TAKEN, "Log in instead, or use another e-mail.")
        return Person(**row)

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
            raise _too_many_at_once() from None
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


def _too_many_at_once() -> Problem:
    return Problem(problems.TEMPORARILY_UNAVAILABLE, "Too many people log in right now.")
