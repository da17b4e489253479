"""Kafka: one broker a region, which is its own controller (KRaft)."""

import base64
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

from regions.catalogue import Address
from regions.local.component import Component, RunStep
from regions.local.engines.java import java_command, properties

HEAP_MIB = 256


class Kafka(Component):
    """The broker of a region."""

    name = "kafka"
    stop_seconds = 10.0

    def version(self) -> str:
        """Version of the jars."""
        return self.site.toolchain.versions["kafka"]

    def listens_on(self) -> tuple[Address, ...]:
        """The broker's and the controller's address."""
        return (self.address, self.site.address("kafka_controller"))

    def prepare(self, run_step: RunStep) -> None:
        """Write the configuration; format the log directory if it is new."""
        self.make_state_folder()
        self.write_file(self._configuration, properties(self._settings()))
        if (self._logs / "meta.properties").exists():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # --ignore-formatted finishes a formatting that was killed halfway. One id in 64 begins with a dash,
        # and would be taken for an option if it stood alone.
        identity = f"--cluster-id={cluster_id}"
        arguments = ("format", identity, "-c", str(self._configuration), "--ignore-formatted")
        jars = self.site.toolchain.kafka_jars
        run_step(
            java_command(self.site.toolchain, "kafka.tools.StorageTool", jars, 64, *arguments),
            self.environment(),
        )

    def command(self) -> Sequence[str]:
        """The broker's command line."""
        jars = self.site.toolchain.kafka_jars
        return java_command(self.site.toolchain, "kafka.Kafka", jars, HEAP_MIB, str(self._configuration))

    def not_ready_because(self) -> str | None:
        """The broker opens its port only when it can serve."""
        try:
            with socket.create_connection((self.address.host, self.address.port), timeout=1.0):
                return None
        except OSError as error:
            return f"{self.address}: {error.strerror or error}"

    @property
    def _configuration(self) -> Path:
        return self.state / "server.properties"

    @property
    def _logs(self) -> Path:
        return self.state / "logs"

    def _settings(self) -> dict[str, object]:
        controller = self.site.address("kafka_controller")
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self._logs,
            "auto.create.topics.enable": "false",
            "num.partitions": 1,
            # One broker: one copy and one partition of everything internal.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            # Small buffers and few threads: 331 -> 200 MB, as measured.
            "log.cleaner.dedupe.buffer.size": 4194304,
            "log.cleaner.threads": 1,
            "num.network.threads": 1,
            "num.io.threads": 2,
            "background.threads": 2,
            "num.recovery.threads.per.data.dir": 1,
            # A single voter elects itself: nothing to wait for.
            "broker.heartbeat.interval.ms": 500,
            # A broker that comes back after a kill is let in when its last session is over (default: 9 s).
            "broker.session.timeout.ms": 3000,
            "controller.quorum.election.timeout.ms": 300,
            "controller.quorum.fetch.timeout.ms": 500,
            "controller.quorum.election.backoff.max.ms": 200,
            # Changes are read within seconds and everything can be rebuilt from PostgreSQL.
            "metadata.max.idle.interval.ms": 5000,
            "log.retention.hours": 24,
            "log.retention.bytes": 1073741824,
            "log.segment.bytes": 134217728,
        }
