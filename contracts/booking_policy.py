"""What a booking may still become, and what of its price comes back, by the policy of its purchase: pure.

An event has one policy in force, which each booking keeps from the moment it is made. Times are told in
seconds before the start of the event, as it is when somebody asks: a policy moves with its event.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_SECONDS_BEFORE_START = 366 * 86_400
MAX_REFUND_STEPS = 10


def check_refund_steps(steps: Sequence[tuple[int, int]]) -> None:
    """Raises ValueError unless each step (seconds before the start, percent) is later and gives no more."""
    for (seconds, percent), (next_seconds, next_percent) in pairwise(steps):
        if next_seconds >= seconds or next_percent > percent:
            raise ValueError(
                "each refund step must be nearer to the start than the one before, and no higher"
            )


class RefundStep(BaseModel):
    """What comes back to whoever cancels while the event is further away than this."""

    model_config = ConfigDict(frozen=True)

    seconds_before_start: int = Field(ge=0, le=MAX_SECONDS_BEFORE_START)
    percent: int = Field(ge=0, le=100, description="Of the price; parts of a minor unit stay with the host.")


class BookingPolicy(BaseModel):
    """Until when a booking can be cancelled, edited and handed on, and what of its price comes back."""

    model_config = ConfigDict(frozen=True)

    version: int = Field(
        ge=0, description="Counted by event; 0 is the platform's. What a version says never changes."
    )
    cancel_allowed: bool
    cancel_until_seconds: int = Field(
        ge=0, le=MAX_SECONDS_BEFORE_START, description="Before the start of the event."
    )
    refund_policy: tuple[RefundStep, ...] = Field(
        max_length=MAX_REFUND_STEPS,
        description="The first step that is still ahead of its time counts; without any, nothing comes back.",
    )
    edit_allowed: bool
    edit_until_seconds: int = Field(ge=0, le=MAX_SECONDS_BEFORE_START)
    transfer_allowed: bool
    transfer_until_seconds: int = Field(ge=0, le=MAX_SECONDS_BEFORE_START)

    @model_validator(mode="after")
    def _gives_back_less_as_time_passes(self) -> Self:
        check_refund_steps([(step.seconds_before_start, step.percent) for step in self.refund_policy])
        return self

    def cancel_until(self, starts_at: datetime) -> datetime | None:
        """When it is too late to cancel; None where that is never allowed."""
        return _until(starts_at, self.cancel_until_seconds) if self.cancel_allowed else None

    def edit_until(self, starts_at: datetime) -> datetime | None:
        """When it is too late to change who comes; None where that is never allowed."""
        return _until(starts_at, self.edit_until_seconds) if self.edit_allowed else None

    def transfer_until(self, starts_at: datetime) -> datetime | None:
        """When it is too late to hand the booking on; None where that is never allowed."""
        return _until(starts_at, self.transfer_until_seconds) if self.transfer_allowed else None

    def refund_percent(self, starts_at: datetime, now: datetime) -> int:
        """What share of the price comes back to whoever cancels at `now`: never more than a moment before."""
        for step in self.refund_policy:
            if now < _until(starts_at, step.seconds_before_start):
                return step.percent
        return 0

    def refund_minor(self, paid_minor: int, starts_at: datetime, now: datetime) -> int:
        """That share of an amount in minor units, rounded down: never more than was paid."""
        return paid_minor * self.refund_percent(starts_at, now) // 100


PLATFORM_POLICY = BookingPolicy(
    version=0,
    cancel_allowed=True,
    cancel_until_seconds=0,
    refund_policy=(RefundStep(seconds_before_start=0, percent=100),),
    edit_allowed=True,
    edit_until_seconds=0,
    transfer_allowed=True,
    transfer_until_seconds=0,
)
"""What holds where the host says nothing. Bookings keep it by its version, so it is never changed."""


def policy_from_row(policy: Mapping[str, Any] | None) -> BookingPolicy:
    """The policy of a `policy` column of read_side; null is the platform's."""
    return PLATFORM_POLICY if policy is None else BookingPolicy(**policy)


def _until(starts_at: datetime, seconds: int) -> datetime:
    return starts_at - timedelta(seconds=seconds)
