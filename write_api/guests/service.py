"""What the guests decide: who becomes one, and what a guest is given."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from mini_auth.guest_links import GuestLinkDesk
from service_kit.database import Connection, Pool
from service_kit.email_address import folded_email
from service_kit.rate_limit_headers import count_or_refuse
from service_kit.rate_limits import Limit, RateLimiter
from write_api.guests.schemas import Guest, GuestCreate
from write_api.guests.store import GuestStore
from write_api.notices import Notify, ToPerson

# Each is a row that stays.
BY_ADDRESS = Limit("guests-address", 60, 3600)
# Whoever names somebody else's e-mail again and again fills a box with so many mails, and locks nobody out.
MAILS_BY_EMAIL = Limit("guests-mails", 5, 3600)

AddPerson = Callable[[Connection, str, str], Awaitable[int]]
"""Makes a person without a password of an e-mail and a name, in the caller's transaction; answers the id."""


class GuestService:
    """People who book without an account. The link is made once and stored nowhere."""

    def __init__(
        self,
        pool: Pool,
        store: GuestStore,
        *,
        add_person: AddPerson,
        links: GuestLinkDesk,
        notify: Notify,
        limiter: RateLimiter,
    ) -> None:
        self._pool = pool
        self._store = store
        self._add_person = add_person
        self._links = links
        self._notify = notify
        self._limiter = limiter

    async def register(self, body: GuestCreate, *, address: str) -> Guest:
        """A new guest with a link, which is mailed too. Raises Problem TOO_MANY_REQUESTS.

        Whoever asks twice is two guests, with bookings of their own: nothing is told of who was here before.
        """
        await count_or_refuse(
            self._limiter, (BY_ADDRESS, address), refusal="Too many guests come from your address."
        )
        is_mailed = await self._may_mail(body.email)
        async with self._pool.connection() as connection, connection.transaction():
            person_id = await self._add_person(connection, body.email, body.name)
            await self._store.insert_guest(connection, person_id=person_id, phone=body.phone)
            if is_mailed:
                await self._notify(connection, "guest_link", ToPerson(person_id))
        link, expires_at = self._links.write(person_id, now=datetime.now(UTC))
        return Guest(id=person_id, **body.model_dump(), link=link, link_expires_at=expires_at)

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Removes the phone number, in the caller's transaction."""
        await self._store.delete_guest(connection, person_id=person_id)

    async def _may_mail(self, email: str) -> bool:
        """Counted by a digest: what is counted is no list of who was named."""
        digest = hashlib.sha256(folded_email(email).encode()).hexdigest()[:32]
        [taken] = await self._limiter.take((MAILS_BY_EMAIL, digest))
        return not taken.retry_after_seconds
