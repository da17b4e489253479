"""Envoy: the gateway of a region, and the global load balancer before the gateways.

Envoy appends to its access log for as long as it runs. Two things keep that small on a person's machine:
only what failed or was slow is noted at all, and at the next start a log over the limit of all logs takes
the place of the one before it. While one Envoy runs, nothing else limits what failures write.
"""

import copy
import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regions.catalogue import Address
from regions.gateway.configuration import (
    GatewayAddresses,
    balancer_configuration,
    gateway_configuration,
)
from regions.local.component import Component, Key, RunStep, http_fault, rotate

NOTED_STATUS = 400
NOTED_MILLISECONDS = 1000
"""What the access log takes: answers from this status on, and those that took so long."""


def note_the_unusual(bootstrap: dict[str, Any]) -> dict[str, Any]:
    """Return a bootstrap whose access logs take only what failed or was slow."""
    changed = copy.deepcopy(bootstrap)
    for listener in changed["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            for one in chain["filters"]:
                for log in one["typed_config"].get("access_log", []):
                    log["filter"] = _unusual()
    return changed


def _unusual() -> dict[str, Any]:
    def at_least(number: int, key: str) -> dict[str, Any]:
        value = {"default_value": number, "runtime_key": f"frontrow.access_log.{key}"}
        return {"comparison": {"op": "GE", "value": value}}

    return {
        "or_filter": {
            "filters": [
                {"status_code_filter": at_least(NOTED_STATUS, "status")},
                {"duration_filter": at_least(NOTED_MILLISECONDS, "milliseconds")},
            ]
        }
    }


class Envoy(Component):
    """What both have in common."""

    start_seconds = 20.0
    stop_seconds = 5.0

    def version(self) -> str:
        """Version of Envoy."""
        return self.site.toolchain.versions["envoy"]

    @property
    @abstractmethod
    def admin(self) -> Address:
        """Where the administrator's interface listens."""

    @abstractmethod
    def configuration(self) -> dict[str, Any]:
        """Envoy's bootstrap."""

    def prepare(self, run_step: RunStep) -> None:  # noqa: ARG002
        """Write the configuration; JSON is YAML, and needs no care for quoting."""
        self.make_state_folder()
        rotate(Path(self.access_log))
        document = note_the_unusual(self.configuration())
        self.write_file(self.configuration_file, json.dumps(document, indent=1))

    def command(self) -> Sequence[str]:
        """One worker thread; no shared memory with a predecessor."""
        return [
            str(self.site.toolchain.envoy),
            *("-c", str(self.configuration_file), "--concurrency", "1", "--disable-hot-restart"),
            *("--log-level", "warn"),
        ]

    def not_ready_because(self) -> str | None:
        """Ready when Envoy has all of its configuration, the keys included, and listens."""
        return http_fault(f"http://{self.admin}/ready")

    @property
    def configuration_file(self) -> Path:
        """Where the bootstrap is."""
        return self.state / "envoy.json"

    @property
    def access_log(self) -> str:
        """Where requests that failed or were slow are noted."""
        return str(self.state / "access.log")


class Gateway(Envoy):
    """The gateway; with one region it also holds the front door."""

    name = "gateway"
    depends_on = ("mini_auth",)

    def listens_on(self) -> tuple[Address, ...]:
        """Where people arrive, and the administrator's interface."""
        return (*self._listeners(), self.admin)

    @property
    def admin(self) -> Address:
        """Where the administrator's interface listens."""
        return self.site.address("gateway_admin")

    def configuration(self) -> dict[str, Any]:
        """Its own applications directly, the other regions' write_api across the links."""
        site = self.site
        addresses = GatewayAddresses(
            listeners=self._listeners(),
            admin=self.admin,
            write_api=site.address("write_api"),
            read_api=site.address("read_api"),
            mini_auth=site.address("mini_auth"),
            other_write_apis=tuple(
                site.catalogue.reach(site.region, other, "write_api") for other in site.other_regions
            ),
        )
        return gateway_configuration(site.region, addresses, site.catalogue.edge, self.access_log)

    def _listeners(self) -> tuple[Address, ...]:
        own = (self.address,)
        return own if self.site.other_regions else (*own, self.site.catalogue.front_door)


class Balancer(Envoy):
    """The global load balancer, at the front door of several regions."""

    name = "balancer"

    def needs(self) -> tuple[Key, ...]:
        """Gateways to send people to."""
        return tuple((region, "gateway") for region in self.site.regions)

    @property
    def address(self) -> Address:
        """The front door."""
        return self.site.catalogue.front_door

    def listens_on(self) -> tuple[Address, ...]:
        """Where people arrive, and the administrator's interface."""
        return (self.address, self.admin)

    @property
    def admin(self) -> Address:
        """Where the administrator's interface listens."""
        return self.site.address("balancer_admin")

    def configuration(self) -> dict[str, Any]:
        """Every region's gateway, in the order of the catalogue's neighbours."""
        catalogue, regions = self.site.catalogue, self.site.regions

        def nearest_first(region: str) -> list[Address]:
            return [catalogue.address(one, "gateway") for one in catalogue.nearest_first(region, regions)]

        return balancer_configuration(
            regions,
            nearest_first,
            front_door=self.address,
            admin=self.admin,
            edge=catalogue.edge,
            access_log=self.access_log,
        )
