"""Refusals of the rules, as the problems that people are answered."""

from contracts import problems
from service_kit.problem_responses import Problem
from write_api.bookings.rules import Refusal


def problem_of(refusal: Refusal) -> Problem:
    """The same as an answer."""
    return Problem(refusal.kind, refusal.detail, **refusal.members)


def no_event(event_id: int) -> Problem:
    """There is none with this id."""
    return Problem(problems.NOT_FOUND, f"There is no event {event_id}.")


def no_booking(booking_id: int) -> Problem:
    """There is none with this id, or it is somebody else's."""
    return Problem(problems.NOT_FOUND, f"You have no booking {booking_id}.")
