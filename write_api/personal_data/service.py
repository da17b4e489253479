"""What is decided about personal data: who gets it, and when it may be erased."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from contracts import problems
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool
from service_kit.problem_responses import Problem
from service_kit.rate_limit_headers import count_or_refuse
from service_kit.rate_limits import Limit, RateLimiter
from write_api.audit_log import AuditLog, actor_of
from write_api.known_people import ConfirmPassword
from write_api.personal_data.schemas import Erase, Export
from write_api.personal_data.store import PersonalDataStore

# An export reads all that a person has ever done.
EXPORTS_BY_PERSON = Limit("exports", 10, 3600)

Erases = Callable[[Connection, int], Awaitable[None]]
"""Erases what one feature keeps about a person, in the caller's transaction; harmless to repeat.

Raises Problem ACCOUNT_NEEDED where others count on the person.
"""


class PersonalDataService:
    """Exports and erasures. What is erased where is each feature's own matter: `erasures`, in this order."""

    def __init__(
        self,
        pool: Pool,
        store: PersonalDataStore,
        audit_log: AuditLog,
        *,
        confirm_password: ConfirmPassword,
        erasures: Sequence[Erases],
        limiter: RateLimiter,
    ) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log
        self._confirm_password = confirm_password
        self._erasures = erasures
        self._limiter = limiter

    async def export(self, identity: Identity) -> Export:
        """All that is kept about the person now. Raises Problem TOO_MANY_REQUESTS, TOKEN_INVALID."""
        await count_or_refuse(
            self._limiter,
            (EXPORTS_BY_PERSON, str(identity.person_id)),
            refusal="You have exported your data often enough.",
        )
        async with self._pool.connection() as connection, connection.transaction():
            await self._audit_log.record(
                connection,
                actor=actor_of(identity),
                action="personal-data-exported",
                subject=f"person:{identity.person_id}",
            )
            everything = await self._store.everything(connection, identity.person_id)
        if everything["account"] is None:
            raise Problem(problems.TOKEN_INVALID, "The token's account does not exist.")
        return Export(exported_at=datetime.now(UTC), **everything)

    async def erase(self, identity: Identity, body: Erase, *, address: str) -> None:
        """Erases what tells who the person is; again, it changes nothing.

        Bookings, amounts and the audit log stay, with the person's id alone. Raises Problem ACCOUNT_NEEDED
        while others count on the person, CREDENTIALS_WRONG, TOO_MANY_REQUESTS, TEMPORARILY_UNAVAILABLE.
        """
        if not await self._confirm_password(identity.person_id, body.password, address):
            return
        async with self._pool.connection() as connection, connection.transaction():
            for erase in self._erasures:
                await erase(connection, identity.person_id)
            # The erasures hold the person's row, which a booking needs too: what is made meanwhile is seen.
            if await self._store.bookings_to_come(connection, identity.person_id):
                raise Problem(
                    problems.ACCOUNT_NEEDED,
                    "You have bookings of events to come: cancel them first, or wait until they are over.",
                )
            await self._audit_log.record(
                connection,
                actor=actor_of(identity),
                action="person-erased",
                subject=f"person:{identity.person_id}",
            )
