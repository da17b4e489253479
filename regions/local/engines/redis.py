"""Redis: a cache of answers; it decides nothing and keeps nothing over a restart."""

import socket
from collections.abc import Sequence
from pathlib import Path

from regions.local.component import Component, RunStep

MEMORY_LIMIT_MIB = 64


class Redis(Component):
    """The cache of a region."""

    name = "redis"
    start_seconds = 15.0
    stop_seconds = 5.0

    def version(self) -> str:
        """Version that the server program reported."""
        return self.site.toolchain.versions["redis"]

    def prepare(self, run_step: RunStep) -> None:  # noqa: ARG002
        """Write the configuration: no persistence, a bounded memory, the oldest answers go first."""
        self.make_state_folder()
        lines = (
            f"bind {self.address.host}",
            f"port {self.address.port}",
            f"dir {self.state}",
            'save ""',
            "appendonly no",
            f"maxmemory {MEMORY_LIMIT_MIB}mb",
            "maxmemory-policy allkeys-lru",
            "hz 5",  # half the default of wake-ups when idle
            "daemonize no",
        )
        self.write_file(self._configuration, "\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        """The server's command line."""
        return [str(self.site.toolchain.redis_server), str(self._configuration)]

    def not_ready_because(self) -> str | None:
        """Ready when it answers a ping."""
        try:
            with socket.create_connection((self.address.host, self.address.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError as error:
            return f"{self.address}: {error.strerror or error}"
        return None if answer.startswith(b"+PONG") else f"{self.address} answers {answer[:40]!r} to a ping"

    @property
    def _configuration(self) -> Path:
        return self.state / "redis.conf"
