"""Accounts as administrators find and change them."""

from collections.abc import Mapping
from typing import LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.administered import AdministeredAccount


class AccountAdministration:
    """Statements for the administration, each on the connection that it is given."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.accounts")

    async def find(self, connection: Connection, *, person_id: int) -> AdministeredAccount | None:
        """The account with this id; a guest's too."""
        cursor = await connection.execute(self._queries["find_account"], {"person_id": person_id})
        return _account(await cursor.fetchone())

    async def find_by_email(self, connection: Connection, *, email_folded: str) -> AdministeredAccount | None:
        """The account with this folded e-mail."""
        cursor = await connection.execute(
            self._queries["find_account_by_email"], {"email_folded": email_folded}
        )
        return _account(await cursor.fetchone())

    async def grant_role(self, connection: Connection, *, person_id: int, role: str) -> bool:
        """Gives an account a role; False where it has it already."""
        return await self._change_role(connection, "grant_role", person_id, role)

    async def withdraw_role(self, connection: Connection, *, person_id: int, role: str) -> bool:
        """Takes a role from an account that has others; False where it doesn't have it."""
        return await self._change_role(connection, "withdraw_role", person_id, role)

    async def suspend(self, connection: Connection, *, person_id: int) -> None:
        """Lets nobody log in to an account any more."""
        await connection.execute(self._queries["suspend"], {"person_id": person_id})

    async def lift_suspension(self, connection: Connection, *, person_id: int) -> None:
        """Lets its person log in again."""
        await connection.execute(self._queries["lift_suspension"], {"person_id": person_id})

    async def _change_role(self, connection: Connection, name: str, person_id: int, role: str) -> bool:
        cursor = await connection.execute(self._queries[name], {"person_id": person_id, "role": role})
        return await cursor.fetchone() is not None


def _account(row: Row | None) -> AdministeredAccount | None:
    if row is None:
        return None
    return AdministeredAccount(**{**row, "roles": frozenset(row["roles"])})
