"""Who comes while a process is busy is let in with the others, not one in each turn of its loop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

import pytest
import uvloop

from service_kit.server import ACCEPTED_AT_ONCE, listening_descriptors
from tests.people import DEADLINE_SECONDS

NEWCOMERS = 4 * ACCEPTED_AT_ONCE


def one_descriptor(bound: socket.socket) -> list[socket.socket]:
    """The negative control: as uvicorn listens by itself."""
    return [bound]


class Turns:
    """Counts the turns of a loop that always has something to do."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        """Counts until cancelled."""
        while True:
            self.count += 1
            await asyncio.sleep(0)


async def turns_to_let_in(descriptors: Sequence[socket.socket]) -> int:
    """How many turns pass until all who wait in the kernel's queue have a connection."""
    turns, all_in = Turns(), asyncio.Event()
    let_in: list[asyncio.BaseTransport] = []

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            let_in.append(transport)
            if len(let_in) == NEWCOMERS:
                all_in.set()

    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Counting, sock=one) for one in descriptors]
    busy = asyncio.create_task(turns.run())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await all_in.wait()
    busy.cancel()
    for transport in let_in:
        transport.close()
    for server in servers:
        server.close()
        await server.wait_closed()
    return turns.count


def turns_for(listen: Callable[[socket.socket], list[socket.socket]]) -> int:
    """The same, where all newcomers have come before the loop turns."""
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=NEWCOMERS))
        for _ in range(NEWCOMERS):
            stack.enter_context(socket.create_connection(bound.getsockname(), timeout=DEADLINE_SECONDS))
        descriptors = listen(bound)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            turns = runner.run(turns_to_let_in(descriptors))
        for one in descriptors[1:]:
            one.close()
        return turns


def test_many_are_let_in_in_a_turn() -> None:
    assert turns_for(listening_descriptors) < NEWCOMERS / 4


def test_with_one_descriptor_each_turn_lets_in_one() -> None:
    with pytest.raises(AssertionError):
        assert turns_for(one_descriptor) < NEWCOMERS / 4
