"""The policy of an event as its host says it (what it means, `contracts.booking_policy` decides)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from contracts.booking_policy import (
    MAX_REFUND_STEPS,
    MAX_SECONDS_BEFORE_START,
    PLATFORM_POLICY,
    BookingPolicy,
    RefundStep,
    check_refund_steps,
)
from service_kit.fields import RequestBody

_SecondsBeforeStart = Annotated[
    StrictInt, Field(ge=0, le=MAX_SECONDS_BEFORE_START, description="Before the start of the event.")
]
_NAMED: dict[str, tuple[RefundStep, ...]] = {
    "full": (RefundStep(seconds_before_start=0, percent=100),),
    "none": (),
}


class RefundStepBody(RequestBody):
    """What comes back to whoever cancels while the event is further away than this."""

    seconds_before_start: _SecondsBeforeStart
    percent: Annotated[StrictInt, Field(ge=0, le=100)]


class PolicyBody(RequestBody):
    """A whole policy; what is left out is as the platform's: allowed until the start, with full refund."""

    cancel_allowed: StrictBool = True
    cancel_until_seconds: _SecondsBeforeStart = 0
    refund_policy: (
        Literal["full", "none"] | Annotated[list[RefundStepBody], Field(max_length=MAX_REFUND_STEPS)]
    ) = Field(
        default="full", description="Or steps, each nearer to the start than the one before, and no higher."
    )
    edit_allowed: StrictBool = True
    edit_until_seconds: _SecondsBeforeStart = 0
    transfer_allowed: StrictBool = True
    transfer_until_seconds: _SecondsBeforeStart = 0

    @model_validator(mode="after")
    def _gives_back_less_as_time_passes(self) -> Self:
        if isinstance(self.refund_policy, list):
            check_refund_steps([(step.seconds_before_start, step.percent) for step in self.refund_policy])
        return self


def policy_of(body: PolicyBody | None) -> BookingPolicy | None:
    """What the body says, still without a version; None where that is the platform's policy."""
    if body is None:
        return None
    steps = body.refund_policy
    refund_policy = (
        _NAMED[steps]
        if isinstance(steps, str)
        else tuple(
            RefundStep(seconds_before_start=step.seconds_before_start, percent=step.percent) for step in steps
        )
    )
    policy = BookingPolicy(
        version=0, refund_policy=refund_policy, **body.model_dump(exclude={"refund_policy"})
    )
    return None if policy == PLATFORM_POLICY else policy
