"""Kafka Connect with Debezium: reads the region's PostgreSQL reader, writes to the region's Kafka."""

from collections.abc import Sequence
from pathlib import Path

from regions.local.component import Component, RunStep, Site, http_fault
from regions.local.engines.java import java_command, properties

HEAP_MIB = 256


def capture_secrets(site: Site) -> Path:
    """The file with the password of change capture, for the worker's account alone."""
    return site.layout.state(site.region, "connect") / "capture.properties"


class Connect(Component):
    """The Connect worker of a region; the indexer registers the connector."""

    name = "connect"
    depends_on = ("kafka",)
    stop_seconds = 10.0

    def version(self) -> str:
        """Version of Connect (Kafka's) and of the Debezium plugin."""
        versions = self.site.toolchain.versions
        return f"{versions['kafka']}, Debezium {versions['debezium'].removesuffix('.Final')}"

    def prepare(self, run_step: RunStep) -> None:  # noqa: ARG002
        """Write the worker's configuration."""
        self.make_state_folder()
        self.write_file(self._configuration, properties(self._settings()))
        password = self.site.credentials.passwords["frontrow_capture"]
        self.write_file(capture_secrets(self.site), properties({"password": password}))

    def command(self) -> Sequence[str]:
        """The worker's command line, with Debezium on the class path (faster than scanning for plugins)."""
        toolchain = self.site.toolchain
        names = {jar.name for jar in toolchain.kafka_jars}
        jars = (*toolchain.kafka_jars, *(jar for jar in toolchain.debezium_jars if jar.name not in names))
        main_class = "org.apache.kafka.connect.cli.ConnectDistributed"
        return java_command(toolchain, main_class, jars, HEAP_MIB, str(self._configuration))

    def not_ready_because(self) -> str | None:
        """Ready when its interface lists connectors, which needs a working worker group."""
        return http_fault(f"http://{self.address}/connectors")

    @property
    def _configuration(self) -> Path:
        return self.state / "worker.properties"

    def _settings(self) -> dict[str, object]:
        return {
            "bootstrap.servers": self.site.address("kafka"),
            "listeners": f"http://{self.address}",
            "rest.advertised.host.name": self.address.host,
            "rest.advertised.port": self.address.port,
            "group.id": "frontrow-connect",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false",
            "plugin.discovery": "service_load",
            # Of the worker's own three topics. What arrives is answered at once, this is for silence alone.
            "fetch.max.wait.ms": 2000,
            # The connector's configuration is readable by whoever reaches this worker or Kafka: it names the
            # file that has the password, and only this worker can read that.
            "config.providers": "file",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            "config.providers.file.param.allowed.paths": self.state,
            "topic.creation.enable": "true",
            "config.storage.topic": "connect-configs",
            "config.storage.replication.factor": 1,
            "offset.storage.topic": "connect-offsets",
            "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 1,
            "offset.flush.interval.ms": 2000,
            "status.storage.topic": "connect-status",
            "status.storage.replication.factor": 1,
            "status.storage.partitions": 1,
        }
