"""The table of accounts: people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.known_people import KnownPerson
from write_api.notices import Recipient, To, ToAccountOf, ToPerson


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    person: KnownPerson
    password_hash: str
    is_suspended: bool


class AccountStore:
    """Statements of the feature, each on the connection that it is given."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.accounts")

    async def insert_person(
        self,
        connection: Connection,
        *,
        email: str,
        email_folded: str,
        password_hash: str,
        display_name: str,
        roles: Sequence[str],
    ) -> int | None:
        """The new person's id; None where the e-mail is taken."""
        parameters = {
            "email": email,
            "email_folded": email_folded,
            "password_hash": password_hash,
            "display_name": display_name,
            "roles": list(roles),
        }
        row = await (await connection.execute(self._queries["insert_person"], parameters)).fetchone()
        return None if row is None else row["id"]

    async def insert_person_without_password(
        self, connection: Connection, *, email: str, display_name: str
    ) -> int:
        """A new person who can't log in; answers the id. The e-mail may be others' too."""
        parameters = {"email": email, "display_name": display_name}
        cursor = await connection.execute(self._queries["insert_person_without_password"], parameters)
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - INSERT RETURNING without conflict clause
        person_id: int = row["id"]
        return person_id

    async def credentials(self, connection: Connection, *, email_folded: str) -> Credentials | None:
        """The credentials of the person with this folded e-mail, if there is one."""
        cursor = await connection.execute(self._queries["select_credentials"], {"email_folded": email_folded})
        row = await cursor.fetchone()
        return (
            None
            if row is None
            else Credentials(_known_person(row), row["password_hash"], row["is_suspended"])
        )

    async def email(self, connection: Connection, *, person_id: int) -> str | None:
        """By what a person logs in; None for guests, who were erased, and nobody."""
        cursor = await connection.execute(self._queries["select_email"], {"person_id": person_id})
        row = await cursor.fetchone()
        return None if row is None else row["email"]

    async def erase(self, connection: Connection, *, person_id: int) -> None:
        """Removes everything that tells who a person is, for good."""
        await connection.execute(self._queries["erase_person"], {"person_id": person_id})

    async def known_person(self, connection: Connection, *, person_id: int) -> KnownPerson | None:
        """The person with this id, if there is one."""
        cursor = await connection.execute(self._queries["select_known_person"], {"person_id": person_id})
        row = await cursor.fetchone()
        return None if row is None else _known_person(row)

    async def confirm_email(self, connection: Connection, *, person_id: int) -> bool:
        """Confirms an account's e-mail; False where it is confirmed already, or there is no such account."""
        cursor = await connection.execute(self._queries["confirm_email"], {"person_id": person_id})
        return await cursor.fetchone() is not None

    async def password_version(self, connection: Connection, *, person_id: int) -> int | None:
        """How often the password was set; None for guests, who were erased, and nobody."""
        cursor = await connection.execute(self._queries["select_password_version"], {"person_id": person_id})
        row = await cursor.fetchone()
        return None if row is None else row["password_version"]

    async def set_password(
        self,
        connection: Connection,
        *,
        person_id: int,
        version: int,
        password_hash: str,
        confirms_email: bool,
    ) -> bool:
        """Replaces the password of this version; False where it has another version by now."""
        parameters = {
            "person_id": person_id,
            "version": version,
            "password_hash": password_hash,
            "confirms_email": confirms_email,
        }
        cursor = await connection.execute(self._queries["set_password"], parameters)
        return await cursor.fetchone() is not None

    async def person_with(self, connection: Connection, *, email_folded: str) -> int | None:
        """Whose account has this folded e-mail."""
        credentials = await self.credentials(connection, email_folded=email_folded)
        return None if credentials is None else credentials.person.person_id

    async def find_recipient(self, connection: Connection, to: To) -> Recipient | None:
        """Whom a notification goes to, if there is somebody who has an e-mail."""
        parameters: dict[str, object]
        match to:
            case ToPerson(person_id):
                parameters = {"person_id": person_id, "email_folded": None}
            case ToAccountOf(email_folded):
                parameters = {"person_id": None, "email_folded": email_folded}
        row = await (await connection.execute(self._queries["select_recipient"], parameters)).fetchone()
        return None if row is None else Recipient(**row)

    async def confirmed_email(self, connection: Connection, *, person_id: int) -> str | None:
        """The folded e-mail of the person with this id, if it is confirmed."""
        cursor = await connection.execute(self._queries["select_confirmed_email"], {"person_id": person_id})
        row = await cursor.fetchone()
        return None if row is None else row["email_folded"]


def _known_person(row: Row) -> KnownPerson:
    return KnownPerson(row["id"], frozenset(row["roles"]), row["password_version"])
