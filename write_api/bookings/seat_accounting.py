"""Where counter, seats and bookings disagree, nothing is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


class SeatAccountingError(Exception):
    """Counter, seats and bookings disagree: the transaction must not be committed."""


@contextmanager
def seats_as_they_should_be() -> Iterator[None]:
    """The statements' own checks, which divide by zero, in our words. Raises SeatAccountingError."""
    try:
        yield
    except psycopg.errors.DivisionByZero as error:
        raise SeatAccountingError("the sale or its seats are not as they should be") from error
