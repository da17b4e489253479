"""When a process of write_api is the writer: one rule, from what it knows and nothing else."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

WRITER_SECONDS = 3.0
"""A writer is ready when a beat was confirmed within this time."""


class WriterState(StrEnum):
    """What a process of write_api is, as health and `frontrow status` print it."""

    STANDBY = "standby"
    """Its main is in recovery."""
    FENCED = "fenced"
    """Another main knows a higher generation: somebody else was made the primary, or is being made."""
    UNOPENED = "unopened"
    """Its main was made a primary, but no generation was opened with it."""
    UNCONFIRMED = "unconfirmed"
    """It may write, and nobody has confirmed it for 3 s."""
    WRITER = "writer"


class WriterRule(Protocol):
    """How a state follows from what is known."""

    def __call__(
        self,
        *,
        is_in_recovery: bool,
        known_generation: int,
        is_opened_here: bool,
        generations_seen: Iterable[int],
        confirmed_age_seconds: float | None,
    ) -> WriterState:
        """The state of a process; see `writer_state`."""
        ...


def writer_state(
    *,
    is_in_recovery: bool,
    known_generation: int,
    is_opened_here: bool,
    generations_seen: Iterable[int],
    confirmed_age_seconds: float | None,
) -> WriterState:
    """The state of a process whose main knows `known_generation` (0 for none).

    `is_opened_here`: that generation was opened with this very primary, or there is none yet.
    `generations_seen`: the highest that each other main was ever heard to know; one that was never reached
    says nothing. `confirmed_age_seconds`: since the last confirmed beat; None before the first.
    """
    if is_in_recovery:
        return WriterState.STANDBY
    if any(seen > known_generation for seen in generations_seen):
        return WriterState.FENCED
    if not is_opened_here:
        return WriterState.UNOPENED
    if confirmed_age_seconds is None or confirmed_age_seconds > WRITER_SECONDS:
        return WriterState.UNCONFIRMED
    return WriterState.WRITER
