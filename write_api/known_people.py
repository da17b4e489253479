"""What the sessions ask of the accounts: who somebody is, by password or by id.

The features never import each other; `app.py` hands these functions to the sessions.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from service_kit.database import Connection


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody with an account."""

    person_id: int
    roles: frozenset[str]


CheckPassword = Callable[[str, SecretStr], Awaitable[KnownPerson]]
"""Who has this e-mail and this password; raises Problem CREDENTIALS_WRONG, TEMPORARILY_UNAVAILABLE."""

FindPerson = Callable[[Connection, int], Awaitable[KnownPerson | None]]
"""Who has this id, as of now."""
