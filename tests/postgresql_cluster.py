"""A primary and two standbys as the platform runs them, with links between them, and nothing else of it.

The servers are the platform's own component `main` of three regions, so settings, access, slots and quorum
(ANY 1 of the two standbys) are its own; what they stream crosses the platform's links, which can be slowed
and cut. Starts in some 5 s. Nobody repairs anything: what a test kills stays dead until it starts it again.
"""

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from regions.catalogue import GLOBAL, load_catalogue
from regions.local.applications import Links
from regions.local.assembly import open_platform
from regions.local.bootstrap import bootstrap, bootstrap_database
from regions.local.component import Component, ComponentError, Site
from regions.local.credentials import create_credentials, load_credentials
from regions.local.engines.postgresql import Main
from regions.local.layout import Layout
from regions.local.link_control import ask, direction_name
from regions.local.named_queries import QUERIES
from regions.local.preparation import Preparation, only_one_prepares
from regions.local.settings import LocalSettings
from tests.conftest import free_port_offset, is_alive
from tests.people import unique, wait_for
from write_api.migrate import migrate, read_migrations

NODES = ("eu", "us", "ap")
PRIMARY = "eu"
STANDBYS = ("us", "ap")
"""The quorum's members at first: each streams under its own name."""
STEP_SECONDS = 60


class PostgresqlCluster:
    """Three nodes and their links. `fsync` off makes tests quicker; a killed server loses nothing by it."""

    def __init__(
        self, folder: Path, *, fsync: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        folder.chmod(0o755)  # the engines' account must get in
        platform = open_platform(LocalSettings())
        prepare_postgresql(platform.preparation())
        self._platform = platform
        self._layout = Layout(home=folder, cache=platform.layout.cache)
        self._layout.make_folders()
        create_credentials(self._layout.secrets)
        self.credentials = load_credentials(self._layout.secrets)
        self._catalogue = load_catalogue().shifted(free_port_offset(NODES))
        own = {"fsync": "on" if fsync else "off", **(settings or {})}
        self._mains = {node: _Main(self.site(node), own) for node in NODES}
        self.links = Links(self.site(GLOBAL))
        self._running: dict[Component, subprocess.Popen[bytes]] = {}
        self.primary = PRIMARY

    def site(self, region: str) -> Site:
        """What other components of the platform are built from, so that they run beside the nodes."""
        return Site(
            region=region,
            regions=NODES,
            catalogue=self._catalogue,
            layout=self._layout,
            account=self._platform.account,
            credentials=self.credentials,
            toolchain=self._platform.preparation().toolchain(),
            log_level="info",
        )

    def url(self, database: str, role: str = "frontrow_read", node: str | None = None) -> str:
        """libpq URL of a database on a node, by default on the primary; no link is between."""
        address = self.site(node or self.primary).address("main")
        return f"postgresql://{role}:{self.credentials.passwords[role]}@{address}/{database}"

    def create_database(self) -> str:
        """A new database with the platform's roles and schema; answers its name."""
        name = unique("cluster").lower()
        main = self._mains[self.primary]
        with main.connect() as connection:
            bootstrap(connection, name, self.credentials.passwords)
        with main.connect(name) as connection:
            bootstrap_database(connection)
        migrate(self.url(name, "frontrow_owner"), read_migrations())
        return name

    def start_all(self) -> None:
        """Starts the links, the primary, and both standbys at once; returns when both stream."""
        self.run(self.links)
        self.start(PRIMARY)
        with ThreadPoolExecutor() as threads:
            list(threads.map(self.start, STANDBYS))
        wait_for("both standbys stream", lambda: self.streaming() == set(STANDBYS))

    def stop_all(self) -> None:
        """Kills everything that runs."""
        for component in list(self._running):
            self.end(component)

    def start(self, node: str) -> None:
        """Starts a node with the data that it has, a standby without any from a copy of the primary."""
        self.run(self._mains[node])

    def kill(self, node: str) -> None:
        """SIGKILL for all processes of a node, as a power cut would."""
        self.end(self._mains[node])

    def promote(self, node: str) -> None:
        """Makes a standby a primary, as by hand; from then on it is the one that is meant. It acknowledges
        nothing by quorum before somebody follows it.
        """
        with self._mains[node].connect() as connection:
            connection.execute("SELECT pg_promote(true, 30)")
        self.primary = node

    def received_lsn(self, node: str) -> int:
        """How much of the log a standby has on its disk, in bytes from its start."""
        with self._mains[node].connect() as connection:
            row = connection.execute("SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint").fetchone()
        assert row is not None
        return int(str(row[0]))

    def set_delay_ms(self, round_trip_ms: float) -> None:
        """The round trip between the first primary and each standby, half of it each way."""
        self._order({"delay_ms": round_trip_ms / 2}, STANDBYS)

    def cut(self, *nodes: str) -> None:
        """Nothing passes between the first primary and these standbys any more, as when a cable is cut."""
        self._order({"is_cut": True}, nodes)

    def mend(self, *nodes: str) -> None:
        """Everything passes again; what was under way arrives."""
        self._order({"is_cut": False}, nodes)

    def streaming(self) -> set[str]:
        """The standbys that follow the primary now."""
        with self._mains[self.primary].connect() as connection:
            row = connection.execute(QUERIES["streaming_members"], {"members": list(NODES)}).fetchone()
        return set(str(row[0]).split()) if row else set()

    def processes(self, component: Component | str) -> list[psutil.Process]:
        """The process of a component, or of a node by its name: the leader, then all that it started."""
        leader = psutil.Process(self._running[self._component(component)].pid)
        return [leader, *leader.children(recursive=True)]

    def run(self, component: Component) -> None:
        """Starts a component of the platform, and waits until it is ready. Raises ComponentError."""
        component.prepare(lambda command, environment: self._run_step(component, command, environment))
        account = self._account_of(component)
        with component.log.open("ab") as log:
            process = subprocess.Popen(
                component.command(),
                env=component.environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **account,
            )
        self._running[component] = process
        wait_for(f"{component.label} starts", lambda: self._is_ready(component, process))
        component.finish()

    def end(self, component: Component) -> None:
        """SIGKILL for all processes of a component; returns when they are gone."""
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended by itself
            found = self.processes(component)
        process = self._running.pop(component)
        for one in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        wait_for(f"{component.label} is dead", lambda: not any(map(is_alive, found)))

    def _component(self, component: Component | str) -> Component:
        return self._mains[component] if isinstance(component, str) else component

    def _is_ready(self, component: Component, process: "subprocess.Popen[bytes]") -> bool:
        if process.poll() is not None:
            end = component.log.read_text("utf-8", "replace")[-2000:]
            raise ComponentError(f"{component.label} ended:\n{end}")
        return component.not_ready_because() is None

    def _run_step(self, component: Component, command: Sequence[str], environment: Mapping[str, str]) -> None:
        done = subprocess.run(
            command,
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
            **self._account_of(component),
        )
        if done.returncode != 0:
            raise ComponentError(f"{component.label}: {command[0]} failed:\n{done.stderr}{done.stdout}")

    def _account_of(self, component: Component) -> dict[str, Any]:
        account = self._platform.account
        if not (account.is_other and component.runs_as_engine):
            return {}
        return {"user": account.user_id, "group": account.group_id, "extra_groups": []}

    def _order(self, change: Mapping[str, object], nodes: Sequence[str]) -> None:
        directions = [direction_name(*pair) for node in nodes for pair in ((PRIMARY, node), (node, PRIMARY))]
        ask(self.links.address, {"directions": directions, **change})


class _Main(Main):
    """The platform's main with a few settings of the test's."""

    def __init__(self, site: Site, settings: Mapping[str, str]) -> None:
        super().__init__(site)
        self._settings = settings

    def own_settings(self) -> dict[str, str]:
        return {**super().own_settings(), **self._settings}


def prepare_postgresql(preparation: Preparation) -> None:
    """Unpacks PostgreSQL for the engines' account, once a machine; downloads nothing."""
    with only_one_prepares(preparation.cache, lambda: None):
        for name, make in preparation.steps():
            if name.startswith("postgresql-"):
                make()


@contextmanager
def postgresql_cluster(
    *, fsync: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresqlCluster]:
    """A running cluster; its processes and files are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="frontrow-cluster-") as folder:
        cluster = PostgresqlCluster(Path(folder), fsync=fsync, settings=settings)
        try:
            cluster.start_all()
            yield cluster
        finally:
            cluster.stop_all()
