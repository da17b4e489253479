"""Elasticsearch: the search index of a region, started through its own launcher."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from regions.catalogue import Address
from regions.local.component import Component, RunStep, http_get, plain_environment
from regions.local.engines.java import SMALL_JVM, TRUSTED_CODE, class_archive

HEAP_MIB = 384
_REPLACED = re.compile(r"UseG1GC|Xlog:gc|HeapDumpOnOutOfMemoryError")
"""Lines of the distribution's jvm.options that ours take the place of, or that fill a person's disk."""


class Elasticsearch(Component):
    """The one search node of a region."""

    name = "elasticsearch"
    start_seconds = 90.0
    stop_seconds = 20.0
    hands_over = True

    def version(self) -> str:
        """Version of the distribution."""
        return self.site.toolchain.versions["elasticsearch"]

    def listens_on(self) -> tuple[Address, ...]:
        """The address for clients and the one for other nodes."""
        return (self.address, self.site.address("elasticsearch_transport"))

    def prepare(self, run_step: RunStep) -> None:  # noqa: ARG002
        """Copy the distribution's configuration and add ours."""
        self.make_state_folder()
        shutil.rmtree(self._temporary, ignore_errors=True)  # a killed server leaves its files there
        for part in ("data", "logs", "temporary", "configuration"):
            self.make_state_folder(part)
        # A launcher that was killed while it wrote its key store refuses to write it again.
        (self._configuration / "elasticsearch.keystore.tmp").unlink(missing_ok=True)
        options = self.make_state_folder("configuration", "jvm.options.d")
        distributed = self.site.toolchain.elasticsearch_home / "config"
        self.write_file(
            self._configuration / "log4j2.properties", (distributed / "log4j2.properties").read_text()
        )
        kept = [
            line
            for line in (distributed / "jvm.options").read_text().splitlines()
            if not _REPLACED.search(line)
        ]
        self.write_file(self._configuration / "jvm.options", "\n".join(kept) + "\n")
        # No class-data archive: the server patches java.base, and Java uses none then.
        ours = ("-Xms64m", f"-Xmx{HEAP_MIB}m", *SMALL_JVM, *TRUSTED_CODE)
        self.write_file(options / "frontrow.options", "\n".join(ours) + "\n")
        # JSON is YAML, and needs no care for quoting.
        self.write_file(self._configuration / "elasticsearch.yml", json.dumps(self._settings(), indent=1))

    def command(self) -> Sequence[str]:
        """The launcher, which ends once the server serves (saves the launcher's 50 MB)."""
        return [str(self.site.toolchain.elasticsearch_home / "bin" / "elasticsearch"), "-d"]

    def environment(self) -> Mapping[str, str]:
        """Where Java, the configuration and temporary files are."""
        return {
            **plain_environment(self.state),
            "ES_JAVA_HOME": str(self.site.toolchain.java_home),
            "ES_PATH_CONF": str(self._configuration),
            "ES_TMPDIR": str(self._temporary),
            "LIBFFI_TMPDIR": str(self._temporary),
            # The launcher leaves folders in its own temporary folder, which must not be the machine's.
            "CLI_JAVA_OPTS": " ".join(
                (
                    *SMALL_JVM,
                    *class_archive(self.site.toolchain, "elasticsearch-launcher"),
                    f"-Djava.io.tmpdir={self._temporary}",
                )
            ),
        }

    def not_ready_because(self) -> str | None:
        """Ready when no primary shard is missing."""
        try:
            answer = http_get(f"http://{self.address}/_cluster/health")
            status = answer.json().get("status")
        except (httpx.HTTPError, ValueError) as error:
            return f"http://{self.address}: {type(error).__name__}"
        return None if status in {"green", "yellow"} else f"the cluster is {status or answer.status_code}"

    @property
    def _temporary(self) -> Path:
        return self.state / "temporary"

    @property
    def _configuration(self) -> Path:
        return self.state / "configuration"

    def _settings(self) -> dict[str, object]:
        return {
            "cluster.name": f"frontrow-{self.site.region}",
            "node.name": f"{self.site.region}-1",
            "path.data": str(self.state / "data"),
            "path.logs": str(self.state / "logs"),
            "network.host": self.address.host,
            "http.port": self.address.port,
            "transport.port": self.site.address("elasticsearch_transport").port,
            "discovery.type": "single-node",
            "xpack.security.enabled": False,  # it listens on loopback only; people arrive through the gateway
            "action.auto_create_index": False,
            # A person's disk is often 90 % full; the index is small and can be rebuilt.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }
