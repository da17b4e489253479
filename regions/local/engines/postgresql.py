"""PostgreSQL: `main`, which may be the primary, and `reader`, a standby that cascades from that main."""

import shutil
import signal
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from regions.catalogue import GLOBAL, Address
from regions.local.bootstrap import bootstrap, bootstrap_database
from regions.local.component import (
    DATABASE,
    Component,
    ComponentError,
    Key,
    RunStep,
    Site,
    plain_environment,
)
from regions.local.named_queries import QUERIES
from regions.local.tracking import wait_until
from service_kit.deadline import cut_off_after

READER_SLOT = "reader"
QUORUM_REQUIRED = 1
"""How many other mains must have flushed what is acknowledged (docs/decisions/0061)."""
_LAST_BACKEND_SECONDS = 10.0
_ANSWER_SECONDS = 2.0
"""How long a node may take to say something of a slot; a frozen one never does."""

_SETTINGS: Mapping[str, str] = {
    # Access: passwords over loopback only; no socket files.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "120",
    # Replication: logical decoding runs on the reader; pg_rewind needs the hints.
    "wal_level": "logical",
    "wal_log_hints": "on",
    "max_wal_senders": "16",
    "max_replication_slots": "16",
    "wal_keep_size": "128MB",
    "max_slot_wal_keep_size": "2GB",
    "max_wal_size": "1GB",
    # Files of the log that were written once are kept to be written again: to make one takes the primary and
    # all that follow it 40 ms, in which nothing is confirmed, each three seconds while a peak lasts.
    "min_wal_size": "512MB",
    "hot_standby_feedback": "on",
    "max_standby_streaming_delay": "2s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
    # Memory of a small machine.
    "shared_buffers": "32MB",
    "jit": "off",
    # What a person wants to read in the log.
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": "2s",
    "log_lock_waits": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# "replication" is physical replication: whoever may do that reads every table. Change capture is logical
# replication, which counts as an ordinary connection to its database.
_ACCESS = """# type database user address method
host all all 127.0.0.1/32 scram-sha-256
host replication frontrow_replication 127.0.0.1/32 scram-sha-256
"""


_FAULTS: Mapping[str, str] = {
    "lost": "was given up: the WAL that it kept is gone",
    "None": "was made again, and nobody has streamed with it yet",
}
"""What a physical slot's wal_status says of a standby that needs it."""


@dataclass(frozen=True)
class Upstream:
    """Where a standby streams from, and the slot there that keeps WAL for it."""

    address: Address
    slot: str


class PostgreSQL(Component):
    """What both nodes share. Configuration is outside the data, where no copy of a peer can replace it."""

    start_seconds = 60.0
    stop_signal = signal.SIGINT  # "fast": end sessions, write a checkpoint
    stop_seconds = 20.0

    def version(self) -> str:
        """Version that the server program reported."""
        return self.site.toolchain.versions["postgresql"]

    def prepare(self, run_step: RunStep) -> None:
        """Write the configuration; make the data folder if it is new."""
        self.make_state_folder()
        self.write_file(self.state / "pg_hba.conf", _ACCESS)
        self.write_file(self.state / "pg_ident.conf", "")
        self.write_file(self.state / "postgresql.conf", _render({**_SETTINGS, **self.own_settings()}))
        self._await_last_backend()
        if self.data.exists() and not self.is_usable():
            shutil.rmtree(self.data)
        if not self.data.exists():
            unfinished = self.state / "data.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            self.make_data(unfinished, run_step)
            unfinished.rename(self.data)

    @abstractmethod
    def make_data(self, folder: Path, run_step: RunStep) -> None:
        """Fill a new data folder."""

    def is_usable(self) -> bool:
        """Tell whether existing data can be started from; otherwise it is made anew.

        A standby whose slot is gone needs a new copy, which only a node that can be reached can give.
        """
        return self.slot_fault() is None

    def follows(self) -> Upstream | None:
        """Where a standby streams from; None for a primary."""
        return None

    def slot_fault(self) -> str | None:
        """Say why a standby can't stream with its slot; None if it can, or nobody can be asked."""
        upstream = self.follows()
        if upstream is None:
            return None
        try:
            with self.connect(at=upstream.address) as connection, cut_off_after(connection, _ANSWER_SECONDS):
                row = connection.execute(QUERIES["slot_state"], {"slot": upstream.slot}).fetchone()
        except psycopg.OperationalError:
            return None
        fault = "is missing" if row is None else _FAULTS.get(str(row[0]))
        return fault and f"slot {upstream.slot} at {upstream.address} {fault}; `frontrow up` repairs that"

    def mend(self) -> None:
        """Make the slot of a running standby again, if it is missing.

        It holds nothing until the standby has streamed with it: if what the standby needs is gone meanwhile,
        it stays so, the standby isn't ready, and gets a new copy.
        """
        upstream = self.follows()
        if upstream is not None:
            with suppress(psycopg.OperationalError), self.connect(at=upstream.address) as connection:
                connection.execute(QUERIES["make_empty_slot"], {"slot": upstream.slot})

    def own_settings(self) -> dict[str, str]:
        """Settings of this node only."""
        return {
            "listen_addresses": self.address.host,
            "port": str(self.address.port),
            "hba_file": str(self.state / "pg_hba.conf"),
            "ident_file": str(self.state / "pg_ident.conf"),
            "cluster_name": f"{self.site.region}-{self.name}",
        }

    def command(self) -> Sequence[str]:
        """The server's command line."""
        return [
            self.program("postgres"),
            "-D",
            str(self.data),
            "-c",
            f"config_file={self.state}/postgresql.conf",
        ]

    def not_ready_because(self) -> str | None:
        """Ready when it answers a query, and, as a standby, can stream with its slot."""
        try:
            with self.connect() as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            return f"{self.address}: {str(error).strip().splitlines()[0]}"
        return self.slot_fault()

    def connect(
        self, database: str = "postgres", at: Address | None = None
    ) -> AbstractContextManager[psycopg.Connection[tuple[object, ...]]]:
        """Open a superuser's autocommit connection to this node, or to another one at `at`."""
        address = at or self.address
        return psycopg.connect(
            host=address.host,
            port=address.port,
            dbname=database,
            user="postgres",
            password=self.site.credentials.passwords["postgres"],
            connect_timeout=2,
            autocommit=True,
            # Made again at every start, so none of it waits for a quorum that is not up yet.
            options="-c statement_timeout=30s -c synchronous_commit=local",
        )

    def copy(self, folder: Path, run_step: RunStep, source: str, upstream: Upstream) -> None:
        """Fill a data folder with a copy of the node that `source` (libpq's) leads to, as its standby.

        The slot, made anew, keeps the WAL that the copy needs.
        """
        with self.connect(at=upstream.address) as connection:
            connection.execute(QUERIES["drop_slot"], {"slot": upstream.slot})
            connection.execute(QUERIES["make_physical_slot"], {"slot": upstream.slot})
        command = (
            *(self.program("pg_basebackup"), "-D", str(folder), "-d", source, "-X", "stream"),
            *("-c", "fast", "-S", upstream.slot, "--no-sync", "--no-manifest", "--no-password"),
        )
        self.write_password_file()
        run_step(command, plain_environment(self.state))
        (folder / "standby.signal").touch()
        self.site.account.give(folder / "standby.signal")

    def conninfo(self, address: Address, application_name: str) -> str:
        """Render where to stream from; the password is in a file of its own, so no setting shows it."""
        return (
            f"host={address.host} port={address.port} user=frontrow_replication dbname=postgres "
            f"application_name={application_name} "
            f"passfile='{self.state}/replication.pgpass' connect_timeout=3"
        )

    def write_password_file(self) -> None:
        """Write what `conninfo` refers to."""
        password = self.site.credentials.passwords["frontrow_replication"]
        self.write_file(self.state / "replication.pgpass", f"*:*:*:frontrow_replication:{password}\n")

    def program(self, name: str) -> str:
        """Path of one of PostgreSQL's programs."""
        return str(self.site.toolchain.postgresql_programs / name)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.state / "data"

    def _await_last_backend(self) -> None:
        """A killed server leaves backends for a moment; until the last is gone a new one refuses to start."""
        if not wait_until(lambda: not _works_in(self.data), _LAST_BACKEND_SECONDS, lambda: False):
            raise ComponentError(f"processes still use {self.data}: {_works_in(self.data)}; end them first")
        # Nobody works there, so what a killed server left is stale. PostgreSQL would believe it as long as
        # the process id exists: as a zombie that nobody has reaped, or another process's after a reboot.
        (self.data / "postmaster.pid").unlink(missing_ok=True)


class Main(PostgreSQL):
    """The node that may be the primary: made as one in the primary's region, as its standby elsewhere.

    Which of both it is, its data says. Each main always names all others for the quorum, so that a promoted
    one acknowledges nothing before one of them follows it.
    """

    name = "main"

    def needs(self) -> tuple[Key, ...]:
        """A standby is copied from the primary, across a link."""
        if self.site.region == self.site.catalogue.primary:
            return super().needs()
        return (*super().needs(), (self.site.catalogue.primary, "main"), (GLOBAL, "links"))

    def make_data(self, folder: Path, run_step: RunStep) -> None:
        """Create the first primary, or copy it."""
        if self.site.region == self.site.catalogue.primary:
            self._create(folder, run_step)
        else:
            # A copy under the region's own name would count as a member of the quorum.
            copying = self.conninfo(self._upstream.address, f"{self.site.region}_copy")
            self.copy(folder, run_step, copying, self._upstream)

    def follows(self) -> Upstream | None:
        """The primary, as long as the data is a standby's."""
        return self._upstream if (self.data / "standby.signal").exists() else None

    def own_settings(self) -> dict[str, str]:
        """The quorum, and where a standby streams from; both say nothing in a region alone."""
        settings = super().own_settings()
        if others := self.site.other_regions:
            settings["synchronous_standby_names"] = f"ANY {QUORUM_REQUIRED} ({', '.join(others)})"
        if self.site.region != self.site.catalogue.primary:
            self.write_password_file()
            settings["primary_conninfo"] = self.conninfo(self._upstream.address, self.site.region)
            settings["primary_slot_name"] = self._upstream.slot
        return settings

    def finish(self) -> None:
        """Make roles and database on the primary; idempotent."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            is_primary = row is not None and not row[0]
            if is_primary:
                bootstrap(connection, DATABASE, self.site.credentials.passwords)
        if is_primary:
            with self.connect(DATABASE) as connection:
                bootstrap_database(connection)

    @property
    def _upstream(self) -> Upstream:
        """Where this region finds the primary."""
        region = self.site.region
        address = self.site.catalogue.reach(region, self.site.catalogue.primary, "main")
        return Upstream(address, f"main_{region}")

    def _create(self, folder: Path, run_step: RunStep) -> None:
        """Create a cluster with checksums; nothing of value is in it yet, so nothing is synchronised."""
        password_file = self.write_file(
            self.state / "initial-password", self.site.credentials.passwords["postgres"]
        )
        command = (
            *(
                self.program("initdb"),
                "-D",
                str(folder),
                "-U",
                "postgres",
                "-k",
                "--no-sync",
                "--no-instructions",
            ),
            *("-A", "scram-sha-256", f"--pwfile={password_file}", "--locale=C.UTF-8", "-E", "UTF8"),
        )
        try:
            run_step(command, self.environment())
        finally:
            password_file.unlink(missing_ok=True)


class Reader(PostgreSQL):
    """The standby from which everything derived in a region is read; it is never promoted."""

    name = "reader"
    depends_on = ("main",)

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.main = Main(site)

    def make_data(self, folder: Path, run_step: RunStep) -> None:
        """Copy main."""
        self.copy(folder, run_step, self._source(), self.follows())

    def follows(self) -> Upstream:
        """The region's own main."""
        return Upstream(self.main.address, READER_SLOT)

    def is_usable(self) -> bool:
        """Main may have dropped WAL that this reader still needs; then only a new copy helps."""
        return (self.data / "standby.signal").exists() and super().is_usable()

    def own_settings(self) -> dict[str, str]:
        """Where it streams from; the password is in a file of its own, so no setting shows it."""
        self.write_password_file()
        return {
            **super().own_settings(),
            "primary_conninfo": self._source(),
            "primary_slot_name": READER_SLOT,
        }

    def not_ready_because(self) -> str | None:
        """Ready when it answers, is a standby, and can stream with its slot."""
        try:
            with self.connect() as connection:
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
        except psycopg.Error as error:
            return f"{self.address}: {str(error).strip().splitlines()[0]}"
        return self.slot_fault() if row and row[0] else f"{self.address} is not a standby"

    def _source(self) -> str:
        return self.conninfo(self.main.address, reader_name(self.site.region))


def reader_name(region: str) -> str:
    """Name under which a region's reader streams; never the name of a member of the quorum."""
    return f"{region}_reader"


def _render(settings: Mapping[str, str]) -> str:
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())


def _works_in(folder: Path) -> list[int]:
    """List the processes whose working folder is `folder` (each PostgreSQL process's is its data)."""
    return [
        int(process.info["pid"])
        for process in psutil.process_iter(["pid", "cwd"])
        if process.info["cwd"] == str(folder)
    ]
