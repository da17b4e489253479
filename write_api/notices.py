"""What features ask of the notifications, and what those ask of the accounts.

The features never import each other; `features.py` hands these functions from one to the other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from service_kit.database import Connection

Template = Literal[
    "confirm_email", "account_exists", "password_reset", "password_changed", "guest_link", "waitlist_offer"
]
"""Which letter is written; see write_api/notifications/letters.py."""


Parameters = Mapping[str, int | str]
"""What a letter tells, by name; times in ISO 8601."""


@dataclass(frozen=True, slots=True)
class ToPerson:
    """Somebody by id."""

    person_id: int


@dataclass(frozen=True, slots=True)
class ToAccountOf:
    """Whoever has an account with this folded e-mail when the mail is written; maybe nobody."""

    email_folded: str


To = ToPerson | ToAccountOf
"""Whom a notification is for."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody with an account, as of now. Mails go to `email`, never to an address that a request names."""

    person_id: int
    email: str
    password_version: int
    is_confirmed: bool


class Notify(Protocol):
    """Queues a notification within the caller's transaction; it is sent once that is durable."""

    async def __call__(
        self,
        connection: Connection,
        template: Template,
        to: To,
        *,
        parameters: Parameters | None = None,
        merge_seconds: int = 0,
    ) -> None:
        """Raises psycopg.Error. One of this template and e-mail within `merge_seconds` counts for both.

        `parameters` are what the template needs besides the recipient: numbers and times, nothing that
        somebody wrote and nothing secret.
        """
        ...


class NotifyPeople(Protocol):
    """As Notify, for many people in one statement, each with parameters of their own."""

    async def __call__(
        self, connection: Connection, template: Template, told: Sequence[tuple[ToPerson, Parameters]]
    ) -> None:
        """Raises psycopg.Error, in a pipeline as late as at its end."""
        ...


FindRecipient = Callable[[Connection, To], Awaitable[Recipient | None]]
"""Who that is, if there is somebody."""
