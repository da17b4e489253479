"""How the links between regions take orders: one line of JSON each way, over loopback.

`python -m regions.local.link_control CONFIGURATION` is the process itself: every lane, and the control
address. A request is `{}` (tell the state) or
`{"directions": ["eu-us"], "delay_ms": 80, "is_cut": true}` (change it; what is absent stays).
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from regions.catalogue import Address, Lane
from regions.local.links import Direction, LaneServer, Way

REQUEST_SECONDS = 3.0
REQUEST_LIMIT_BYTES = 4096
DELAY_LIMIT_MS = 60_000
Json = dict[str, Any]


class LinkError(Exception):
    """An order to the links cannot be carried out; the message says why."""


def write_configuration(control: Address, lanes: Sequence[Lane]) -> str:
    """Render what the process is told."""
    return json.dumps({"control": asdict(control), "lanes": [asdict(lane) for lane in lanes]}, indent=1)


def read_configuration(text: str) -> tuple[Address, list[Lane]]:
    """Read what `write_configuration` rendered."""
    document = json.loads(text)
    lanes = [
        Lane(**{**lane, "listen": Address(**lane["listen"]), "leads_to": Address(**lane["leads_to"])})
        for lane in document["lanes"]
    ]
    return Address(**document["control"]), lanes


class Links:
    """Every link between the regions of a platform."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        pairs = {(lane.source, lane.target) for lane in lanes}
        self._directions = {direction_name(*pair): Direction() for pair in sorted(pairs)}
        self.servers = [
            LaneServer(
                lane,
                Way(
                    self._directions[direction_name(lane.source, lane.target)],
                    self._directions[direction_name(lane.target, lane.source)],
                ),
            )
            for lane in lanes
        ]

    def state(self) -> Json:
        """Tell each direction's delay, cut and traffic, and how many connections each lane has."""
        return {
            "directions": {
                name: {
                    "delay_ms": round(one.delay_seconds * 1000, 3),
                    "is_cut": one.is_cut,
                    "delivered_bytes": one.delivered_bytes,
                }
                for name, one in self._directions.items()
            },
            "lanes": [
                {
                    "from": one.lane.source,
                    "to": one.lane.target,
                    "component": one.lane.component,
                    "listen": str(one.lane.listen),
                    "connections": one.connections,
                }
                for one in self.servers
            ],
        }

    def obey(self, request: Json) -> Json:
        """Change what the request says, and tell the state. Raises LinkError, having changed nothing."""
        names = request.get("directions", [])
        delay_ms, is_cut = request.get("delay_ms"), request.get("is_cut")
        if unknown := [name for name in names if name not in self._directions]:
            raise LinkError(f"there is no link {unknown[0]!r}; known: {', '.join(self._directions)}")
        if delay_ms is not None and not 0 <= float(delay_ms) <= DELAY_LIMIT_MS:
            raise LinkError(f"a delay is from 0 to {DELAY_LIMIT_MS} ms, not {delay_ms}")
        delay_seconds = None if delay_ms is None else float(delay_ms) / 1000
        for name in names:
            self._directions[name].change(delay_seconds=delay_seconds, is_cut=is_cut)
        return self.state()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a control connection."""
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(REQUEST_SECONDS):
                request = json.loads(await reader.readline())
                try:
                    answer = self.obey(request)
                except (LinkError, TypeError, AttributeError) as error:
                    answer = {"error": str(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()


def direction_name(source: str, target: str) -> str:
    """Name a direction as people write it: `eu-us` is from eu to us."""
    return f"{source}-{target}"


def ask(control: Address, request: Json) -> Json:
    """Send one request to the running links; raises LinkError when they refuse or do not answer."""
    try:
        with socket.create_connection((control.host, control.port), timeout=REQUEST_SECONDS) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline())
    except (OSError, ValueError) as error:
        raise LinkError(f"the links at {control} do not answer ({error}); do they run?") from None
    if "error" in answer:
        raise LinkError(answer["error"])
    return dict(answer)


async def _run(control: Address, lanes: Sequence[Lane]) -> None:
    links = Links(lanes)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(server.run()) for server in links.servers]
        orders = await asyncio.start_server(
            links.answer, control.host, control.port, limit=REQUEST_LIMIT_BYTES
        )
        await stop.wait()
        orders.close()
        for one in running:
            one.cancel()


def main() -> None:
    """Carry every lane until SIGTERM."""
    asyncio.run(_run(*read_configuration(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
