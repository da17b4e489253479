"""How often somebody may ask for seats: so often as people do, and programs that take all do not.

Each try counts, also one that finds no seat: what is limited is how often one asks, not how much one gets.
A limit is of a person, who may be anywhere; the other is of an address, for those who have many accounts.
"""

import ipaddress
from functools import lru_cache

from service_kit.rate_limit_headers import Judged, judge, tell_or_refuse
from service_kit.rate_limits import Limit
from service_kit.reconciled_limits import ReconciledLimiter

BY_PERSON = Limit("booking", 60, 60)
"""A person in a rush tries each second, for a minute, and each second from then on."""
BY_ADDRESS = Limit("booking-address", 3000, 60)
"""A stadium's wireless network, a campus or a mobile network has one address: 3,000 people who try in the
same minute, when the sale opens. Fifty a second from then on is what one machine alone could always do."""
_HOUSEHOLD_BITS = 64
_REFUSAL = "More bookings are tried than are taken."


class BookingLimits:
    """Counts tries in `limiter`; `times` as many as the limits say, for tests and for one machine.

    Nobody waits: a try is the one thing that thousands do in the same second.
    """

    def __init__(self, limiter: ReconciledLimiter, *, times: int = 1) -> None:
        self._limiter = limiter
        self._by_person = BY_PERSON.times(times)
        self._by_address = BY_ADDRESS.times(times)

    def count_try(self, *, person_id: int, address: str, tries: int = 1) -> None:
        """Counts a try before it is decided; that of an order as one of each of its bookings.

        Raises Problem TOO_MANY_REQUESTS.
        """
        tell_or_refuse(self.judge_try(person_id=person_id, address=address, tries=tries))

    def judge_try(self, *, person_id: int, address: str, tries: int = 1) -> Judged:
        """As `count_try`, for who puts it on the answer by themselves."""
        taken = self._limiter.take(
            (self._by_person, str(person_id)), (self._by_address, _network(address)), count=tries
        )
        return judge(taken, refusal=_REFUSAL)


@lru_cache(maxsize=10_000)
def _network(address: str) -> str:
    """The address; of IPv6 the network of a household, which has as many addresses as it likes."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _HOUSEHOLD_BITS), strict=False))
