"""Tells with each answer up to where in the log it knows, so that a later read can ask for as much."""

from collections.abc import Callable, Mapping

from starlette.types import Scope

from contracts import problems
from contracts.consistency_token import (
    CONSISTENCY_HEADER,
    DATA_AGE_HEADER,
    NOT_CAUGHT_UP,
    Position,
    TokenSigner,
)
from service_kit.consistency import position_brought_by
from service_kit.problem_responses import Problem


class AnswerConsistency:
    """What an answer that is confirmed up to a position says of it. `generation` is this primary's."""

    def __init__(self, signer: TokenSigner, generation: Callable[[], int | None]) -> None:
        self._signer = signer
        self._generation = generation

    def headers(self, scope: Scope, *, confirmed_lsn: int) -> Mapping[str, str]:
        """The header with the token; none while this process does not know its generation yet.

        Raises Problem TEMPORARILY_UNAVAILABLE for a read that asks for what this primary does not have: it is
        the primary of an earlier generation, or was restored from a copy.
        """
        generation, brought = self._generation(), position_brought_by(scope)
        known = None if generation is None else Position(generation, confirmed_lsn)
        if brought is not None and (known is None or known < brought):
            raise Problem(problems.TEMPORARILY_UNAVAILABLE, NOT_CAUGHT_UP)
        present = {} if brought is None else {DATA_AGE_HEADER: "0"}  # a region's read, passed on to here
        return present if known is None else {**present, CONSISTENCY_HEADER: self._signer.sign(known)}
