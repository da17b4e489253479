"""What is measured on: a primary with two standbys and a reader, Redis, and applications that share them.

All are the platform's own components with its own settings: fsync on, quorum ANY 1 of the two standbys,
links that can be slowed. Only the limits of requests are raised, alike for everybody: few accounts ask for
what many people would.
"""

import base64
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.rows import dict_row
from rich.console import Console

from benchmarks.bookings.load import Plan
from contracts.token_claims import access_token_claims
from regions.catalogue import GLOBAL, MAX_LIMITS_TIMES, Address
from regions.local.applications import Inbox, WriteApi
from regions.local.assembly import open_platform
from regions.local.component import DATABASE, Component, Site
from regions.local.engines.postgresql import Reader
from regions.local.engines.redis import Redis
from regions.local.layout import CHECKOUT
from regions.local.preparation import Toolchain
from regions.local.preparing import prepare_machine
from regions.local.settings import LocalSettings
from service_kit.settings import ProcessSettings
from tests.people import unique, wait_for
from tests.postgresql_cluster import PRIMARY, STANDBYS, PostgresqlCluster
from write_api.signing_keys.sealed_key import SigningKey, unseal

PEOPLE = 4096
TOKENS_SERVE_SECONDS = 150.0
"""Half of a token's life: none expires while somebody asks with it."""
CREATE_SECONDS = 60.0
BESIDE_SECONDS = 120.0
IDLE_DESCRIPTORS = 200
LOG_FILES = 24
"""Of 16 MB, which some 80,000 bookings fill."""
BOOKINGS = "/api/v1/bookings"
BASELINE_PLACES = {"textbook": "us", "single_statement": "us", "skip_locked": "us", "null": "ap"}
"""Whose write_api's port a baseline takes: that region has none here."""


class _Benched(WriteApi):
    """write_api as the platform runs it, with limits that few accounts don't meet."""

    def own_settings(self) -> Mapping[str, str]:
        return {**super().own_settings(), "FRONTROW_REQUEST_LIMITS_TIMES": str(MAX_LIMITS_TIMES)}


class _Baseline(_Benched):
    """Another application with the same settings, on another port."""

    def __init__(self, site: Site, baseline: str) -> None:
        super().__init__(site)
        self.name = baseline  # type: ignore[misc]

    @property
    def address(self) -> Address:
        return self.site.catalogue.address(BASELINE_PLACES[self.name], "write_api")

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.booking_baselines", self.name]


class Application:
    """A running application that sells."""

    def __init__(self, cluster: PostgresqlCluster, component: Component) -> None:
        self._cluster = cluster
        self._component = component
        self.address = component.address

    def processes(self) -> list[psutil.Process]:
        """All of its processes."""
        return self._cluster.processes(self._component)

    def is_idle(self) -> bool:
        """Whether it has noticed that those who asked have left."""
        return all(one.num_fds() < IDLE_DESCRIPTORS for one in self.processes())


class Stand:
    """Everything that measurements share. Bookings are asked by people who exist, with good tokens."""

    def __init__(self, cluster: PostgresqlCluster) -> None:
        self.cluster = cluster
        self._site = cluster.site(PRIMARY)
        self._running: dict[str, Application] = {}
        self._reader, self._redis = Reader(self._site), Redis(self._site)
        self._inbox = Inbox(cluster.site(GLOBAL))
        self.person_ids: list[int] = []
        self._tokens: list[str] = []
        self._tokens_made_at = 0.0

    def start(self) -> None:
        """Starts the reader, Redis, the inbox of mails and write_api, and makes the people."""
        for component in (self._redis, self._inbox):
            self.cluster.run(component)
        self.cluster.run(self._reader)
        self.write_api = self._run(_Benched(self._site))
        self.person_ids = self._make_people()

    @contextmanager
    def baseline(self, name: str) -> Iterator[Application]:
        """Another application, until the block ends; it is killed, since some would wait for hours."""
        component = _Baseline(self._site, name)
        application = self._run(component)
        try:
            yield application
        finally:
            self.cluster.end(component)
            wait_for(f"no session of {name} is left", lambda: not self._sessions_of_baselines())

    def event(self, seats: int, *, hold_seconds: int | None = None) -> int:
        """A new event on sale with so many seats of one kind; its id.

        `hold_seconds` may be shorter than hosts may set it.
        """
        body = {
            "name": unique("event"),
            "available_seats": seats,
            "start_at": "2090-11-01T10:00:00Z",
            "location": "HCM",
            "category": "MUSIC",
            "price": 10.5,
            "status": "active",
        }
        url = f"http://{self.write_api.address}/api/v1/events"
        headers = {"Authorization": f"Bearer {self.token(0)}"}
        answer = httpx.post(url, json=body, headers=headers, timeout=CREATE_SECONDS)
        answer.raise_for_status()
        event_id = int(answer.json()["id"])
        if hold_seconds is not None:
            self.rows("UPDATE events SET hold_seconds = %s WHERE id = %s", hold_seconds, event_id)
        return event_id

    def plan(
        self,
        application: Application,
        event_id: int,
        *,
        connections: int,
        seconds: float,
        path: str = BOOKINGS,
        **more: Any,
    ) -> Plan:
        """Bookings of one seat each of an event, each connection somebody else's."""
        people = min(PEOPLE, max(connections, 64))
        return Plan(
            host=application.address.host,
            port=application.address.port,
            requests=[self._request(number, event_id, path) for number in range(people)],
            connections=connections,
            seconds=seconds,
            **more,
        )

    def mean_batch(self) -> float:
        """How many bookings of the newest event were made at a time: those of a batch share their time."""
        [row] = self.rows(
            "SELECT count(*)::float8 / greatest(count(DISTINCT created_at), 1) AS mean FROM bookings"
            " WHERE event_id = (SELECT max(id) FROM events)"
        )
        return float(row["mean"])

    def run_beside(self, module: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Runs a module to its end with write_api's settings; it reads JSON and writes JSON."""
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(told).encode(),
            stdout=subprocess.PIPE,
            env=_Benched(self._site).environment(),
            cwd=CHECKOUT,
            timeout=BESIDE_SECONDS,
            check=True,
        )
        return dict(json.loads(done.stdout))

    def token(self, number: int) -> str:
        """Somebody's access token, good for some minutes."""
        if time.monotonic() - self._tokens_made_at > TOKENS_SERVE_SECONDS:
            key = self._signing_key()
            self._tokens = [self._signed(key, person_id) for person_id in self.person_ids]
            self._tokens_made_at = time.monotonic()
        return self._tokens[number]

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What a statement answers to the superuser on the primary, committed there."""
        with psycopg.connect(
            self.cluster.url(DATABASE, "postgres"),
            autocommit=True,
            row_factory=dict_row,
            options="-c synchronous_commit=local",
        ) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def url(self, role: str, node: str) -> str:
        """libpq URL of the database for a role, on `main` (the primary) or `reader`."""
        return self._site.database_url(role, node)

    @property
    def toolchain(self) -> Toolchain:
        """Where PostgreSQL's programs are."""
        return self._site.toolchain

    def settle(self) -> None:
        """No distance, nobody who asks, and the standbys and the reader have all that was written."""
        self.cluster.set_delay_ms(0)
        wait_for("write_api's connections are closed", self.write_api.is_idle)
        statement = (
            "SELECT bool_and(replay_lsn >= pg_current_wal_flush_lsn()) AS done FROM pg_stat_replication"
        )
        wait_for("the standbys have everything", lambda: self.rows(statement)[0]["done"])

    def recycle_log(self) -> None:
        """The log has gone round once: its next files are there, as after some hours of use.

        A new one has to be made and filled, on the primary and all that follow it.
        """
        self.settle()
        for _ in range(LOG_FILES):
            self.rows("SELECT pg_logical_emit_message(false, 'bench', '')")
            self.rows("SELECT pg_switch_wal()")
        self.settle()
        self.rows("CHECKPOINT")
        self.settle()
        for url in (
            *(self.cluster.url(DATABASE, "postgres", node) for node in STANDBYS),
            self.url("postgres", "reader"),
        ):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")

    def processes(self, application: Application) -> dict[str, list[psutil.Process]]:
        """Every process that takes part, by what it is for; that of the load is not known here."""
        return {
            "application": application.processes(),
            "primary": self.cluster.processes(PRIMARY),
            "standbys": [one for node in STANDBYS for one in self.cluster.processes(node)],
            "reader": self.cluster.processes(self._reader),
            "redis": self.cluster.processes(self._redis),
            "links": self.cluster.processes(self.cluster.links),
        }

    def _run(self, component: Component) -> Application:
        self.cluster.run(component)
        return Application(self.cluster, component)

    def _request(self, number: int, event_id: int, path: str) -> tuple[str, str]:
        body = f'{{"event_id":{event_id},"quantity":1}}'
        before = (
            f"POST {path} HTTP/1.1\r\nHost: frontrow\r\nAccept: application/json\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {self.token(number)}\r\nIdempotency-Key: "
        )
        return before, f"\r\n\r\n{body}"

    def _make_people(self) -> list[int]:
        statement = """
            INSERT INTO people (email, email_folded, password_hash, display_name, roles, email_confirmed_at)
            SELECT mail, mail, 'none', 'Somebody', ARRAY['customer', 'host'], now()
            FROM (SELECT format('person-%%s@example.com', n) AS mail FROM generate_series(1, %s) n) mails
            RETURNING id
        """
        return [int(row["id"]) for row in self.rows(statement, PEOPLE)]

    def _signing_key(self) -> SigningKey:
        [row] = self.rows("SELECT key_id, private_key_sealed FROM signing_keys WHERE state = 'current'")
        sealing_key = base64.b64decode(self.cluster.credentials.key_sealing_key)
        return unseal(row["key_id"], row["private_key_sealed"], sealing_key)

    def _signed(self, key: SigningKey, person_id: int) -> str:
        return key.sign(
            access_token_claims(
                issuer=str(ProcessSettings.model_fields["token_issuer"].default),
                audience=str(ProcessSettings.model_fields["token_audience"].default),
                person_id=person_id,
                roles=["customer", "host"],
                session_id=person_id,
                token_id=unique("token"),
                now=datetime.now(UTC),
            )
        )

    def _sessions_of_baselines(self) -> list[dict[str, Any]]:
        return self.rows("SELECT 1 FROM pg_stat_activity WHERE application_name = 'baseline'")


@contextmanager
def running_stand() -> Iterator[Stand]:
    """Everything started and empty; its processes and files are gone when the block ends."""
    allow_many_connections()
    platform = open_platform(LocalSettings())
    prepare_machine(
        platform.preparation(), str(platform.layout.cache), platform.settings.maven, Console(stderr=True)
    )
    with tempfile.TemporaryDirectory(prefix="frontrow-bookings-") as folder:
        cluster = PostgresqlCluster(Path(folder), fsync=True)
        try:
            cluster.start_all()
            stand = Stand(cluster)
            stand.start()
            yield stand
        finally:
            cluster.stop_all()


def allow_many_connections() -> None:
    """A file descriptor for each of some thousand connections, here and in all that is started from here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
