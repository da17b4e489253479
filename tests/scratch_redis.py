"""A Redis of the tests' own: the platform's engine, on a free port, gone afterwards."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from regions.local.assembly import open_platform
from regions.local.download import download_all
from regions.local.preparation import only_one_prepares
from regions.local.settings import LocalSettings
from tests.people import wait_for


class ScratchRedis:
    """One server, which forgets everything when it ends; it can come back on the same port."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [prepared_server(), "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        wait_for("Redis starts", self._answers)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    def keys(self, pattern: str = "*") -> list[bytes]:
        with Redis.from_url(self.url) as client:
            return list(client.keys(pattern))

    def number(self, key: str) -> int:
        with Redis.from_url(self.url) as client:
            return int(client.get(key) or 0)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except RedisError:
            return False


def prepared_server() -> str:
    """The engine's program, which is brought and unpacked once a machine."""
    settings = LocalSettings()
    platform = open_platform(settings)
    preparation = platform.preparation()
    server = preparation.toolchain().redis_server
    if not server.exists():
        with only_one_prepares(preparation.cache, lambda: None):
            missing = [one for one in preparation.missing_downloads() if one == platform.artifacts.redis]
            download_all(missing, preparation.downloads, settings.maven, lambda _: None)
            for name, make in preparation.steps():
                if name.startswith("redis-"):
                    make()
    return str(server)


@contextmanager
def scratch_redis() -> Iterator[ScratchRedis]:
    """A running server; its process and files are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="frontrow-redis-") as folder:
        server = ScratchRedis(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()
