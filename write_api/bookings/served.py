"""What those who asked for seats are told."""

import msgspec

from contracts.booking import Booking
from service_kit.hot_route import HotAnswer
from service_kit.problem_responses import Problem
from service_kit.whole_answers import RawHeaders
from write_api.bookings.made import MadeBooking

Told = MadeBooking | Problem
"""What became of a wish, by what the database holds: it has to be confirmed before anybody hears of it."""


class Served(msgspec.Struct, frozen=True):
    """What became of a wish, and what the answer says of its confirmation: nothing without a gate.

    `encoded` is the refusal as an answer without these headers, where it is known already.
    """

    outcome: Told
    confirmed: RawHeaders
    encoded: HotAnswer | None = None

    def booking(self) -> Booking:
        """The booking, for FastAPI. Raises the Problem where it was refused."""
        if isinstance(self.outcome, Problem):
            raise self.outcome
        return self.outcome.as_booking()
