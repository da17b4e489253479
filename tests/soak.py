"""How much a run does: `make test` the least at which controls still fail, `make soak` what issues name."""

import os
from typing import TypeVar

import pytest

IS_SOAK = os.environ.get("SOAK") == "1"
Size = TypeVar("Size")

soak_only = pytest.mark.skipif(not IS_SOAK, reason="one more of a kind that is tested; `make soak` has all")


def sized(test: Size, soak: Size) -> Size:
    """The size of this run."""
    return soak if IS_SOAK else test
