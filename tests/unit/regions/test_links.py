"""The link proxies, over real sockets: order, delay, cut, backpressure."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from regions.catalogue import Address, Lane, load_catalogue
from regions.local.link_control import LinkError, Links, read_configuration, write_configuration
from regions.local.links import HELD_LIMIT_BYTES

DEADLINE_SECONDS = 30.0
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def link(handler: Handler = echo) -> AsyncIterator[tuple[Links, int]]:
    """A lane from us to a server in eu; yields the links and the lane's near port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    far = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    near = Address("127.0.0.1", free_port())
    back = Lane("eu", "us", "main", Address("127.0.0.1", free_port()), far)
    links = Links([Lane("us", "eu", "main", near, far), back])
    running = [asyncio.create_task(one.run()) for one in links.servers]
    await asyncio.sleep(0)
    try:
        yield links, near.port
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        server.close()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, which is gone when the block ends, however it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def exchange(port: int, data: bytes) -> bytes:
    """What an echo through the lane answers, to its end."""
    async with connected(port) as (reader, writer), asyncio.timeout(DEADLINE_SECONDS):

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        _, answer = await asyncio.gather(send(), reader.read())
        return answer


async def test_bytes_arrive_whole_and_in_order_while_the_delay_changes_all_the_time() -> None:
    data = random.Random(1).randbytes(8 << 20)
    async with link() as (links, port):

        async def restless() -> None:
            while True:
                for name in ("us-eu", "eu-us"):
                    links.obey({"directions": [name], "delay_ms": random.choice([0, 1, 5, 20])})
                await asyncio.sleep(0.003)

        changing = asyncio.create_task(restless())
        answers = await asyncio.gather(*(exchange(port, data[: size << 20]) for size in (1, 2, 8)))
        changing.cancel()
    assert [answer == data[: len(answer)] for answer in answers] == [True] * 3
    assert [len(answer) >> 20 for answer in answers] == [1, 2, 8]


async def test_each_direction_has_its_own_delay() -> None:
    async with link() as (links, port), connected(port) as (reader, writer):
        writer.write(b"first")
        await reader.readexactly(5)
        for there, back, least_seconds in ((0, 0, 0.0), (100, 0, 0.1), (0, 100, 0.1), (100, 150, 0.25)):
            links.obey({"directions": ["us-eu"], "delay_ms": there})
            links.obey({"directions": ["eu-us"], "delay_ms": back})
            began = time.monotonic()
            writer.write(b"again")
            await reader.readexactly(5)
            assert time.monotonic() - began >= least_seconds


@pytest.mark.parametrize("direction", ["us-eu", "eu-us"])
async def test_a_cut_direction_delivers_nothing_until_it_is_restored_and_then_everything(
    direction: str,
) -> None:
    async with link() as (links, port), connected(port) as (reader, writer):
        writer.write(b"first")
        await reader.readexactly(5)
        links.obey({"directions": [direction], "is_cut": True})
        writer.write(b"later")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.readexactly(1)
        links.obey({"directions": [direction], "is_cut": False})
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await reader.readexactly(5) == b"later"


async def test_who_gives_up_a_connection_through_a_cut_link_leaves_nothing_behind() -> None:
    arrived: list[bytes] = []

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read())
        writer.close()

    async with link(remember) as (links, port):
        links.obey({"directions": ["eu-us"], "is_cut": True})
        lane = links.servers[0]
        async with connected(port) as (_, writer):
            writer.write(b"an order that its sender believes lost")
            await writer.drain()
        async with asyncio.timeout(DEADLINE_SECONDS):
            for expected in (1, 0):
                while lane.connections != expected:  # noqa: ASYNC110 - what we wait for has no event
                    await asyncio.sleep(0.01)
        links.obey({"directions": ["eu-us"], "is_cut": False})
        assert await exchange(port, b"a new order") == b""
    assert arrived == [b"a new order"]


async def test_a_broken_connection_is_not_taken_for_a_regular_end() -> None:
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.close()

    async with link(breaks) as (links, port):
        for delay_ms in (0, 30):
            links.obey({"directions": ["us-eu", "eu-us"], "delay_ms": delay_ms})
            async with connected(port) as (reader, writer):
                writer.write(b"x")
                with pytest.raises(ConnectionResetError):
                    async with asyncio.timeout(DEADLINE_SECONDS):
                        await reader.read()


async def test_a_target_that_is_down_ends_the_connection() -> None:
    async with link() as (links, port):
        object.__setattr__(links.servers[0].lane, "leads_to", Address("127.0.0.1", free_port()))
        with pytest.raises(ConnectionResetError):
            await exchange(port, b"")


async def test_a_cut_holds_a_bounded_number_of_bytes() -> None:
    async with link() as (links, port), connected(port) as (reader, writer):
        writer.write(b"first")
        await reader.readexactly(5)
        links.obey({"directions": ["us-eu"], "is_cut": True})
        kernel_limit = 32 << 20  # buffers of two sockets
        writer.write(bytes(HELD_LIMIT_BYTES + kernel_limit))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.drain()


def test_orders_that_make_no_sense_are_refused_and_change_nothing() -> None:
    links = Links(load_catalogue().lanes(("eu", "us")))
    before = links.state()
    for request in (
        {"directions": ["eu-moon"], "is_cut": True},
        {"directions": ["eu-us"], "delay_ms": -1},
        {"directions": ["eu-us"], "delay_ms": 1e9},
        {"directions": ["eu-us", "us-moon"], "delay_ms": 5},
    ):
        with pytest.raises(LinkError):
            links.obey(request)
    assert links.state() == before


def test_the_configuration_is_read_as_it_was_written() -> None:
    catalogue = load_catalogue()
    control, lanes = catalogue.address("global", "links"), catalogue.lanes(("eu", "us", "ap"))
    assert read_configuration(write_configuration(control, lanes)) == (control, lanes)
    assert len(lanes) == 12
