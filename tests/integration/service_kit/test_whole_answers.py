"""An answer that goes the short way is, byte by byte, the one that goes uvicorn's own."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service_kit.hot_route import HotAnswer, HotRequest, HotRoute, HotRoutes
from service_kit.whole_answers import WholeAnswersProtocol, whole_answers_of
from tests.people import DEADLINE_SECONDS, wait_for

JSON = (b"content-type", b"application/json")
WAYS = {"short": WholeAnswersProtocol, "own": HttpToolsProtocol}


class Echo(HotRoute):
    """Answers with the body, and a header of its own."""

    async def serve(self, request: HotRequest) -> HotAnswer | None:
        length = b"%d" % len(request.body)
        return HotAnswer(201, ((b"content-length", length), JSON, (b"x-own", b"1")), request.body)


async def plain(scope: Scope, _: Receive, send: Send) -> None:
    """Says whether the server has the short way."""
    body = b"short" if whole_answers_of(scope) else b"own"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(params=WAYS)
async def address(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int]]:
    app: ASGIApp = HotRoutes(plain, {("POST", "/hot"): Echo()})
    config = uvicorn.Config(app, port=0, http=WAYS[request.param], lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(wait_for, "the server listens", lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    await serving


def asked(body: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """A request to the hot route."""
    lines = (b"POST /hot HTTP/" + version, b"Host: x", b"Content-Type: application/json", *headers)
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))


async def exchanged(address: tuple[str, int], sent: bytes) -> bytes:
    """All that is answered until the connection is closed, without the date."""
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(DEADLINE_SECONDS):
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.startswith(b"date:"))


ONE = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\ncontent-type: application/json\r\nx-own: 1\r\n"
OWN_SERVER = b"server: uvicorn\r\n"


async def test_connections_end_as_they_do(address: tuple[str, int]) -> None:
    """Kept until somebody closes it, with requests one behind the other; HTTP/1.0 closes by itself."""
    closing = ONE + b"connection: close\r\n\r\n"
    for last in (asked(b"{}", b"Connection: close"), asked(b"{}", version=b"1.0")):
        answer = await exchanged(address, asked(b"[]") + asked(b"[]") + last)
        kept = ONE + b"\r\n[]"
        assert answer.replace(OWN_SERVER, b"") == kept + kept + closing + b"{}"


async def test_who_waits_to_be_told_to_send_the_body_is_told(address: tuple[str, int]) -> None:
    answer = await exchanged(address, asked(b"{}", b"Expect: 100-continue", b"Connection: close"))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert answer.endswith(b"connection: close\r\n\r\n{}")


async def test_the_server_says_which_way_it_has(
    address: tuple[str, int], request: pytest.FixtureRequest
) -> None:
    answer = await exchanged(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n" + request.node.callspec.params["address"].encode())


async def test_who_does_not_read_delays_nobody_and_gets_all(address: tuple[str, int]) -> None:
    """Answers pile up until the server may not write any more; then they go uvicorn's own way, and wait."""
    body = b'"' + b"x" * 1000 + b'"'
    count = 20_000
    reader, writer = await asyncio.open_connection(*address, limit=1024)

    async def send_all() -> None:
        for _ in range(count - 1):
            writer.write(asked(body))
            await writer.drain()
        writer.write(asked(body, b"Connection: close"))

    sending = asyncio.create_task(send_all())
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert (await exchanged(address, asked(b"{}", b"Connection: close"))).endswith(b"{}")
        received = bytearray()
        while part := await reader.read(2**16):
            received += part
        await sending
    writer.close()
    assert received.count(b"x-own: 1") == count
    assert received.endswith(body)


async def test_a_request_that_is_over_leaves_nothing_to_the_garbage_collector(
    address: tuple[str, int],
) -> None:
    gc.collect()
    gc.disable()
    try:
        await exchanged(address, asked(b"[]") * 100 + asked(b"{}", b"Connection: close"))
        left = [one for one in gc.get_objects() if isinstance(one, RequestResponseCycle)]
    finally:
        gc.enable()
    assert len(left) < 5, "but what the connection's last request has left"
