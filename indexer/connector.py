"""The region's Debezium connector, by Kafka Connect's REST interface."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from psycopg.conninfo import conninfo_to_dict

from contracts.names import CAPTURE_SLOT, CHANGES_TOPIC, CONNECTOR, PUBLICATION

REQUEST_TIMEOUT_SECONDS = 5.0
# While the worker rebalances it answers 409 for some hundred milliseconds (or 500, where its class path
# lacks the library that renders errors).
RETRY_SECONDS = 0.1
MAX_TRIES = 50
_REBALANCING = frozenset({409, 500})
_TOPIC_PREFIX = "frontrow"
_TABLES = ("events", "venues", "artists", "event_artists", "ticket_types", "ticket_stock", "heartbeat")


class ConnectError(Exception):
    """Kafka Connect can't be asked or refuses; the text has status and reason, no configuration."""


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """States as Connect names them (RUNNING, PAUSED, STOPPED, FAILED); `trace` is a failure's first line.

    `configured` says whether it has the configuration that it should have.
    """

    connector: str
    tasks: tuple[str, ...]
    trace: str | None
    configured: bool

    @property
    def failed(self) -> bool:
        """Whether the connector or one of its tasks needs a restart."""
        return "FAILED" in (self.connector, *self.tasks)

    @property
    def stopped(self) -> bool:
        """Whether it was stopped: making a slot again may have come that far and no further."""
        return self.connector == "STOPPED"


def connector_config(capture_url: str, password: str) -> dict[str, str]:
    """The connector's configuration for the reader at `capture_url`, a libpq URL.

    Whoever reaches Connect or Kafka can read it, so `password` should be a reference that Connect resolves.
    """
    database = {key: str(value) for key, value in conninfo_to_dict(capture_url).items()}
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": database["host"],
        "database.port": database.get("port", "5432"),
        "database.user": database["user"],
        "database.password": password,
        "database.dbname": database["dbname"],
        "topic.prefix": _TOPIC_PREFIX,
        "plugin.name": "pgoutput",
        "slot.name": CAPTURE_SLOT,
        "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled",
        "table.include.list": ",".join(f"public.{table}" for table in _TABLES),
        # Backfill is ours: the same query as for live changes, by page, with versions.
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "skipped.operations": "none",
        # Latency against idle CPU, as measured: 20 ms costs 5-7 % of a core, 100 ms under 2 %.
        "poll.interval.ms": "50",
        "status.update.interval.ms": "1000",
        "slot.retry.delay.ms": "500",
        "slot.max.retries": "20",
        "retriable.restart.connector.wait.ms": "500",
        "errors.max.retries": "-1",
        # All tables to one topic of one partition: total order.
        "transforms": "route",
        "transforms.route.type": "io.debezium.transforms.ByLogicalTableRouter",
        "transforms.route.topic.regex": rf"{_TOPIC_PREFIX}\.public\..*",
        "transforms.route.topic.replacement": CHANGES_TOPIC,
        "transforms.route.key.enforce.uniqueness": "false",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    }


class Connector:
    """The one connector of a region. Every method raises ConnectError."""

    def __init__(
        self, connect_url: str, config: Mapping[str, str], wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._client = httpx.Client(
            base_url=connect_url, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False, follow_redirects=True
        )
        self._config = dict(config)
        self._wait = wait

    def close(self) -> None:
        """Closes the connections to Connect."""
        self._client.close()

    def state(self) -> ConnectorState | None:
        """What Connect says of the connector, or None where it isn't registered."""
        answer = self._request("GET", "/connectors", params={"expand": ["status", "info"]}).get(CONNECTOR)
        if answer is None:
            return None
        status = answer.get("status", {"connector": {"state": "UNASSIGNED"}})
        tasks = status.get("tasks", [])
        traces = [one["trace"] for one in (status["connector"], *tasks) if one.get("trace")]
        config = {key: value for key, value in answer["info"]["config"].items() if key != "name"}
        return ConnectorState(
            connector=str(status["connector"]["state"]),
            tasks=tuple(str(task["state"]) for task in tasks),
            trace=traces[0].splitlines()[0][:300] if traces else None,
            configured=config == self._config,
        )

    def register(self, *, stopped: bool = False) -> None:
        """Registers the connector, running or stopped."""
        initial_state = "STOPPED" if stopped else "RUNNING"
        body = {"name": CONNECTOR, "config": self._config, "initial_state": initial_state}
        self._request("POST", "/connectors", json=body)

    def configure(self) -> None:
        """Gives the registered connector the configuration that it should have; it starts over with it."""
        self._request("PUT", f"/connectors/{CONNECTOR}/config", json=self._config)

    def restart_failed(self) -> None:
        """Starts what failed again."""
        parameters = {"includeTasks": "true", "onlyFailed": "true"}
        self._request("POST", f"/connectors/{CONNECTOR}/restart", params=parameters)

    def resume(self) -> None:
        """Starts a stopped connector."""
        self._request("PUT", f"/connectors/{CONNECTOR}/resume")

    def stop(self) -> None:
        """Stops the connector; registers it, if it isn't, without starting it."""
        if self.state() is None:
            self.register(stopped=True)
        else:
            self._request("PUT", f"/connectors/{CONNECTOR}/stop")
        for _ in range(MAX_TRIES):
            state = self.state()
            if state is not None and state.stopped and not state.tasks:
                return
            self._wait(RETRY_SECONDS)
        raise ConnectError("the connector does not stop")

    def forget_offsets(self) -> None:
        """Deletes how far the stopped connector had come; it then goes on where its slot stands.

        With an old offset and a new slot it fails for good, or, where the offset isn't older than what the
        slot can still read, skips changes silently.
        """
        self._request("DELETE", f"/connectors/{CONNECTOR}/offsets")

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        """One request, tried again while Connect is rebalancing. Answers the JSON body, or None."""
        for _ in range(MAX_TRIES):
            try:
                answer = self._client.request(method, path, **arguments)
            except httpx.HTTPError as error:
                raise ConnectError(f"Kafka Connect: {type(error).__name__}") from None
            if answer.status_code not in _REBALANCING:
                break
            self._wait(RETRY_SECONDS)
        if answer.is_error:
            # Connect repeats configuration values in some messages: not for logs.
            raise ConnectError(f"Kafka Connect answered {answer.status_code} to {method} {path}")
        return answer.json() if answer.content else None
