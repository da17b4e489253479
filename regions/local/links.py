"""The links between regions: all traffic between them passes here, and can be slowed and cut.

A link joins two regions and has two directions, each with a delay of its own and each cut apart. A lane of
the link is an address in one region that leads to one component of the other; a connection through it sends
its bytes in one direction, and gets its answers in the other.

- A delay is one way. It may change at any time; bytes of a connection never overtake each other.
- Cut means silence, as when a cable is cut. What is under way waits and arrives after the link is restored,
  as TCP would send it again; ends and resets of connections wait as well. A new connection is accepted (the
  kernel does that), hears nothing, and is made only when both directions pass; if its client gives up
  before, nothing of it ever arrives.
- Opening a connection takes a round trip of the link before its first byte passes.
- Each direction of a connection holds at most 4 MiB; then its sender is no longer read (backpressure).

State is in memory: after a restart of this process every link is whole and undelayed.
"""

import asyncio
import contextlib
import select
import socket
import struct
from collections import deque
from dataclasses import dataclass
from enum import Enum

from regions.catalogue import Lane

CHUNK_BYTES = 64 << 10
HELD_LIMIT_BYTES = 4 << 20
"""Bounds the rate at 4 MiB a delay: 50 MB/s at 80 ms."""
LEAST_CHARGE_BYTES = 512
"""What a chunk counts at least against the limit: many tiny ones cost memory as well."""
LANE_CONNECTION_LIMIT = 512
CONNECT_SECONDS = 5.0
LEFT_CHECK_SECONDS = 0.25

_RESET = None
"""Stands in a queue of chunks for a connection that its sender broke; b"" stands for its end."""


class End(Enum):
    """How the work of a pump ended."""

    WHOLE = "the sender's regular end was delivered"
    SOURCE_BROKE = "the sender broke the connection, and the news has crossed the link"
    SINK_BROKE = "the receiver takes nothing any more; the sender does not know yet"


class Direction:
    """One direction of a link. Times are the loop's, in seconds."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.is_cut = False
        self.delivered_bytes = 0
        self._changed = asyncio.Event()

    def change(self, *, delay_seconds: float | None = None, is_cut: bool | None = None) -> None:
        """Set what is given; whoever waits looks again."""
        self.delay_seconds = self.delay_seconds if delay_seconds is None else delay_seconds
        self.is_cut = self.is_cut if is_cut is None else is_cut
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def passes(self, sent_at: float) -> None:
        """Return when what was sent then arrives."""
        loop = asyncio.get_running_loop()
        while True:
            wait_seconds = sent_at + self.delay_seconds - loop.time()
            if wait_seconds <= 0 and not self.is_cut:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self.is_cut else wait_seconds):
                    await self._changed.wait()


class Pump:
    """Carries the bytes of one connection in one direction, in order."""

    def __init__(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        self._source = source
        self._sink = sink
        self._direction = direction
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._held_bytes = 0
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()

    async def run(self) -> End:
        """Carry until one side ends."""
        reading = asyncio.create_task(self._read())
        try:
            return await self._write()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        chunk: bytes | None = b"unread"
        while chunk:
            while self._held_bytes >= HELD_LIMIT_BYTES:
                self._has_room.clear()
                await self._has_room.wait()
            try:
                chunk = await loop.sock_recv(self._source, CHUNK_BYTES)
            except OSError:
                chunk = _RESET
            self._held.append((loop.time(), chunk))
            self._held_bytes += _charge(chunk)
            self._filled.set()

    async def _write(self) -> End:
        loop = asyncio.get_running_loop()
        while True:
            while not self._held:
                self._filled.clear()
                await self._filled.wait()
            sent_at, chunk = self._held[0]
            await self._direction.passes(sent_at)
            if chunk is None:
                return End.SOURCE_BROKE
            try:
                if not chunk:
                    self._sink.shutdown(socket.SHUT_WR)
                    return End.WHOLE
                await loop.sock_sendall(self._sink, chunk)
            except OSError:
                return End.SINK_BROKE
            self._held.popleft()
            self._held_bytes -= _charge(chunk)
            self._direction.delivered_bytes += len(chunk)
            self._has_room.set()


def _charge(chunk: bytes | None) -> int:
    return max(len(chunk or b""), LEAST_CHARGE_BYTES)


@dataclass(frozen=True)
class Way:
    """The two directions that a connection uses: that of its client's bytes, and that of the answers."""

    there: Direction
    back: Direction

    async def opens(self) -> None:
        """Return after a round trip: when a client could know that its connection was made."""
        loop = asyncio.get_running_loop()
        await self.there.passes(loop.time())
        await self.back.passes(loop.time())


class LaneServer:
    """Listens at the near end of a lane, and carries each connection to its far end."""

    def __init__(self, lane: Lane, way: Way) -> None:
        self.lane = lane
        self._way = way
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    async def run(self) -> None:
        """Listen until cancelled, then break every connection."""
        loop = asyncio.get_running_loop()
        with socket.create_server((self.lane.listen.host, self.lane.listen.port), backlog=128) as listener:
            listener.setblocking(False)
            try:
                while True:
                    try:
                        client, _ = await loop.sock_accept(listener)
                    except OSError:  # out of file descriptors, or the client was gone already
                        await asyncio.sleep(0.05)
                        continue
                    self._accept(client)
            finally:
                for connection in self._connections:
                    connection.cancel()
                await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, client: socket.socket) -> None:
        if len(self._connections) >= LANE_CONNECTION_LIMIT:
            client.close()
            return
        connection = asyncio.create_task(self._serve(client))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        is_whole = False
        try:
            for one in (client, server):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not await _before_client_leaves(client, self._way):
                return
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await loop.sock_connect(server, (self.lane.leads_to.host, self.lane.leads_to.port))
            except (OSError, TimeoutError):
                return
            is_whole = await self._carry(client, server)
        finally:
            for one in (client, server):
                if not is_whole:
                    _break(one)
                one.close()

    async def _carry(self, client: socket.socket, server: socket.socket) -> bool:
        """Carry both directions to their ends; False when the connection was broken."""
        requests = asyncio.create_task(Pump(client, server, self._way.there).run())
        answers = asyncio.create_task(Pump(server, client, self._way.back).run())
        try:
            done, running = await asyncio.wait((requests, answers), return_when=asyncio.FIRST_COMPLETED)
            ends = {one.result() for one in done}
            if running and End.SOURCE_BROKE not in ends:
                await asyncio.wait(running)  # also what a receiver said before it broke is delivered
                (last,) = running
                ends.add(last.result())
                if last.result() is End.SINK_BROKE:
                    news = self._way.there if last is answers else self._way.back
                    await news.passes(asyncio.get_running_loop().time())
            return ends == {End.WHOLE}
        finally:
            for one in (requests, answers):
                one.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)


async def _before_client_leaves(client: socket.socket, way: Way) -> bool:
    """Wait until a connection can be made; False if its client gave up before."""
    opening = asyncio.create_task(way.opens())
    try:
        while not opening.done():
            await asyncio.wait((opening,), timeout=LEFT_CHECK_SECONDS)
            if not opening.done() and _has_left(client):
                return False
        return True
    finally:
        opening.cancel()


def _has_left(client: socket.socket) -> bool:
    """Tell whether a client has closed, without reading what it sent before."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)  # errors and hang-ups are always reported
    return bool(poll.poll(0))


def _break(one: socket.socket) -> None:
    """Let the close of a socket be a reset, so that its peer takes nothing for a regular end."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
