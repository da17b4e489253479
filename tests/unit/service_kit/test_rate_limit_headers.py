"""What an answer says about limits."""

from service_kit.rate_limit_headers import judge, raw_headers_of
from service_kit.rate_limits import MICROSECONDS, Limit, Taken

FIRST, SECOND = Limit("first", 60, 60), Limit("second", 3000, 90.0)
WIDE = Taken(FIRST, 53 * MICROSECONDS)
NARROW = Taken(SECOND, 90 * MICROSECONDS, 3 * MICROSECONDS)


def test_a_limit_with_room_says_what_is_left_and_when_all_is_there_again() -> None:
    assert raw_headers_of([Taken(FIRST, MICROSECONDS)]) == (
        (b"ratelimit-policy", b'"first";q=60;w=60'),
        (b"ratelimit", b'"first";r=59;t=1'),
    )


def test_a_limit_without_room_says_when_there_is_some_and_several_are_one_list() -> None:
    assert raw_headers_of([WIDE, NARROW]) == (
        (b"ratelimit-policy", b'"first";q=60;w=60, "second";q=3000;w=90'),
        (b"ratelimit", b'"first";r=7;t=53, "second";r=0;t=3'),
    )


def test_who_was_not_counted_is_told_nothing() -> None:
    assert raw_headers_of([]) == ()


def test_a_refusal_tells_of_the_first_limit_and_of_the_one_that_refuses_for_longest() -> None:
    assert judge([WIDE, WIDE], refusal="No.") == ((WIDE,), None)
    told, problem = judge([WIDE, NARROW], refusal="No.")
    assert told == (WIDE, NARROW)
    assert problem is not None
    assert problem.detail == "No. Try again in 3 s."
    assert problem.headers == {"Retry-After": "3"}
    assert judge([NARROW, WIDE], refusal="No.").told == (NARROW,)
