"""What features ask of each other about a person: who it is, by password or by id.

The features never import each other; `features.py` hands these functions to whoever asks.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from contracts import problems
from service_kit.database import Connection
from service_kit.problem_responses import Problem


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody with an account."""

    person_id: int
    roles: frozenset[str]
    """Those of now: until the e-mail is confirmed, a customer's alone."""
    password_version: int
    """Raised by each change of the password."""


class CredentialsWrongError(Problem):
    """The answer to a wrong password; `person_id` is whose it isn't, for the audit log, if anybody's."""

    def __init__(self, detail: str, *, person_id: int | None) -> None:
        super().__init__(problems.CREDENTIALS_WRONG, detail)
        self.person_id = person_id


CheckPassword = Callable[[str, SecretStr], Awaitable[KnownPerson]]
"""Who has this e-mail and this password; raises CredentialsWrongError, Problem TEMPORARILY_UNAVAILABLE."""

ConfirmPassword = Callable[[int, SecretStr, str], Awaitable[bool]]
"""Checks a person's password, for an address, within the limits of logins; False where there is none.

Raises Problem CREDENTIALS_WRONG, TOO_MANY_REQUESTS, TEMPORARILY_UNAVAILABLE.
"""

ConfirmedEmail = Callable[[Connection, int], Awaitable[str | None]]
"""The folded e-mail of whoever has this id, if they have shown that it is theirs."""

FindPerson = Callable[[Connection, int], Awaitable[KnownPerson | None]]
"""Who has this id and can log in, as of now."""

FindEmail = Callable[[Connection, int], Awaitable[str | None]]
"""By what the person with this id logs in; None where nobody can."""
