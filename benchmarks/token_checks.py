"""What checking an access token costs a process: remembered, verified anew, and the signature alone.

Needs no platform. They take turns, on the same tokens, so that what else the machine does meets them all.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jwt

from benchmarks.figures import describe_run, goal_line, keep, say
from mini_auth.verifier import TokenVerifier
from tests.tokens import AUDIENCE, ISSUER, es256_key, make_desk

NAME = "token_checks"
TOKENS = 300
ROUNDS = 15
REPEATED_LOOKS = 50
CACHED_GOAL = 50.0
UNCACHED_GOAL = 0.85


def run(*, save: bool = False) -> dict[str, Any]:
    """Measures, prints, and answers the figures; `save` keeps them."""
    say("Checks of access tokens (ES256), in one process")
    figures = describe_run()
    desk = make_desk(es256_key("key-1"))
    tokens = [desk.token(jti=f"token-{number}") for number in range(TOKENS)]
    key, raw = desk.keys.keys["key-1"].public_key, jwt.PyJWS()
    seconds: dict[str, list[float]] = {"raw": [], "uncached": [], "cached": []}
    for _ in range(ROUNDS):
        verifier = TokenVerifier(desk.keys, issuer=ISSUER, audience=AUDIENCE)
        # In short turns: what slows one of two down slows the other as well.
        raw_seconds = uncached_seconds = 0.0
        for start in range(0, TOKENS, 10):
            part = tokens[start : start + 10]
            raw_seconds += timed(lambda token: raw.decode(token, key, algorithms=["ES256"]), part)
            uncached_seconds += timed(verifier.verify, part)
        seconds["raw"].append(raw_seconds / TOKENS)
        seconds["uncached"].append(uncached_seconds / TOKENS)
        looks = tokens * REPEATED_LOOKS
        seconds["cached"].append(timed(verifier.verify, looks) / len(looks))
    figures |= {
        f"{name}_microseconds": round(statistics.median(all_) * 1e6, 3) for name, all_ in seconds.items()
    }
    figures["cached_times_raw"] = round(median_ratio(seconds["raw"], seconds["cached"]), 1)
    figures["uncached_times_raw"] = round(median_ratio(seconds["raw"], seconds["uncached"]), 3)
    for name in seconds:
        say(f"  {name + ', microseconds a check':36}{figures[f'{name}_microseconds']:>10}")
    say(goal_line("cached / raw, in checks a second", figures["cached_times_raw"], CACHED_GOAL))
    say(goal_line("uncached / raw, in checks a second", figures["uncached_times_raw"], UNCACHED_GOAL))
    if save:
        keep(NAME, figures)
    return figures


def timed(check: Callable[[str], object], tokens: Sequence[str]) -> float:
    """Seconds for a check of each token."""
    start = time.perf_counter()
    for token in tokens:
        check(token)
    return time.perf_counter() - start


def median_ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times as many are done, of each round, in the middle."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))
