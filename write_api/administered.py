"""What the administration asks of the features that own what it changes.

The features never import each other; `features.py` hands these to the administration. Each works on the
connection that it is given, within the caller's transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service_kit.database import Connection, Row


@dataclass(frozen=True, slots=True)
class AdministeredAccount:
    """An account as administrators see it; `email` is empty once it was erased."""

    id: int
    email: str
    display_name: str
    roles: frozenset[str]
    created_at: datetime
    email_confirmed_at: datetime | None
    suspended_at: datetime | None
    erased_at: datetime | None


class AdministeredAccounts(Protocol):
    """Of the accounts."""

    async def find(self, connection: Connection, *, person_id: int) -> AdministeredAccount | None:
        """The account with this id."""

    async def find_by_email(self, connection: Connection, *, email_folded: str) -> AdministeredAccount | None:
        """The account with this folded e-mail."""

    async def grant_role(self, connection: Connection, *, person_id: int, role: str) -> bool:
        """Gives an account a role; False where it has it already."""

    async def withdraw_role(self, connection: Connection, *, person_id: int, role: str) -> bool:
        """Takes a role from an account that has others; False where it doesn't have it."""

    async def suspend(self, connection: Connection, *, person_id: int) -> None:
        """Lets nobody log in to an account any more."""

    async def lift_suspension(self, connection: Connection, *, person_id: int) -> None:
        """Lets its person log in again."""


class AdministeredSessions(Protocol):
    """Of the sessions. Of a person's, the lock is taken first: before anything else of the person is."""

    async def lock(self, connection: Connection, person_id: int) -> None:
        """Waits until nobody else changes this person's sessions, until the transaction ends."""

    async def of_person(self, connection: Connection, person_id: int) -> list[Row]:
        """Where a person is logged in {id, client, created_at, refreshed_at, expires_at}."""

    async def end_all(self, connection: Connection, person_id: int) -> None:
        """Ends all sessions of a person, and kills their access tokens. Under lock."""

    async def revoke_tokens(self, connection: Connection, person_id: int) -> None:
        """Kills a person's access tokens; sessions go on, with tokens that say what holds now. Under lock."""

    async def end_session(self, connection: Connection, session_id: int) -> int | None:
        """Ends a session with its access tokens, under lock; whose it is, None where there is none."""

    async def revoke_token(self, connection: Connection, token_id: str) -> None:
        """Kills one access token, by its `jti`."""


class AdministeredEvents(Protocol):
    """Of the catalogue."""

    async def deactivate(self, connection: Connection, event_id: int) -> str | None:
        """Takes an event off sale until `allow_activation`; the status that it had, None where there is none.

        A cancelled event stays cancelled.
        """

    async def allow_activation(self, connection: Connection, event_id: int) -> bool:
        """Lets its hosts put it on sale again, if they want; False where there is no such event."""
