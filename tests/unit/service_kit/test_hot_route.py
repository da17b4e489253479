"""A hot route sees only what is plain and short; everything else reaches the plain route as it was sent."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from service_kit.hot_route import MAX_BODY_BYTES, HotAnswer, HotRequest, HotRoute, HotRoutes

JSON = (b"content-type", b"application/json")
Headers = list[tuple[bytes, bytes]]


class Recorder(HotRoute):
    """Answers, or hands on; remembers the bodies that it was shown."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.bodies: list[bytes] = []

    async def serve(self, request: HotRequest) -> HotAnswer | None:
        self.bodies.append(request.body)
        return HotAnswer(200, (), b"hot") if self.answers else None


async def plain(_: Scope, receive: Receive, send: Send) -> None:
    """Answers the body that arrives."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"plain " + body})


async def answered(
    route: HotRoute, chunks: Sequence[bytes], headers: Headers, method: str = "POST", path: str = "/hot"
) -> bytes:
    """What comes of a request that arrives in these pieces."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": number + 1 < len(chunks)}
        for number, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await HotRoutes(plain, {("POST", "/hot"): route})(scope, receive, send)
    return bytes(sent[-1]["body"])


def declared(length: int) -> Headers:
    return [JSON, (b"content-length", b"%d" % length)]


@given(st.lists(st.binary(max_size=400), min_size=1, max_size=6))
async def test_what_is_handed_on_arrives_as_it_was_sent(chunks: list[bytes]) -> None:
    body = b"".join(chunks)
    route = Recorder(answers=False)
    assert await answered(route, chunks, declared(len(body))) == b"plain " + body
    assert all(seen == body for seen in route.bodies)


async def test_a_short_body_is_served_however_it_is_cut() -> None:
    route = Recorder(answers=True)
    assert await answered(route, [b"{", b"}", b""], declared(2)) == b"hot"
    assert route.bodies == [b"{}"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [JSON],
        [(b"content-length", b"2")],
        [(b"content-type", b"text/plain"), (b"content-length", b"2")],
        [*declared(2), (b"transfer-encoding", b"chunked")],
        [*declared(2), (b"authorization", b"a"), (b"authorization", b"b")],
        [*declared(2), (b"content-length", b"2")],
        [JSON, (b"content-length", b"-1")],
        declared(MAX_BODY_BYTES + 1),
    ],
)
async def test_odd_headers_are_the_plain_routes_matter(headers: Headers) -> None:
    route = Recorder(answers=True)
    assert await answered(route, [b"{}"], headers) == b"plain {}"
    assert route.bodies == []


async def test_a_body_that_is_longer_than_it_says_is_not_held() -> None:
    route = Recorder(answers=True)
    chunks = [b"x" * MAX_BODY_BYTES] * 4
    assert await answered(route, chunks, declared(2)) == b"plain " + b"".join(chunks)
    assert route.bodies == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/hot"), ("POST", "/hot/"), ("POST", "/")])
async def test_other_addresses_are_not_looked_at(method: str, path: str) -> None:
    route = Recorder(answers=True)
    assert await answered(route, [b"{}"], declared(2), method, path) == b"plain {}"
