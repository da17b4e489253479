"""Which components a region has, and in which order they start and stop."""

from collections.abc import Iterable, Mapping

from regions.catalogue import GLOBAL
from regions.local.applications import Inbox, Indexer, Links, MiniAuth, ReadApi, WriteApi
from regions.local.component import Component, Site
from regions.local.engines.connect import Connect
from regions.local.engines.elasticsearch import Elasticsearch
from regions.local.engines.envoy import Balancer, Gateway
from regions.local.engines.kafka import Kafka
from regions.local.engines.postgresql import Main, Reader
from regions.local.engines.redis import Redis

COMPONENT_CLASSES: tuple[type[Component], ...] = (
    Main,
    Reader,
    Kafka,
    Connect,
    Elasticsearch,
    Redis,
    WriteApi,
    ReadApi,
    Indexer,
    MiniAuth,
    Gateway,
)
BETWEEN_REGIONS: tuple[type[Component], ...] = (Links, Balancer)
"""What is needed only where there are several regions."""
GLOBAL_CLASSES: tuple[type[Component], ...] = (Inbox, *BETWEEN_REGIONS)
"""What belongs to no region."""
DEPENDENCIES: Mapping[str, tuple[str, ...]] = {one.name: one.depends_on for one in COMPONENT_CLASSES}


class PlanError(Exception):
    """What was asked for cannot be planned; the message names the known components."""


def with_dependencies(
    wanted: Iterable[str], dependencies: Mapping[str, tuple[str, ...]] = DEPENDENCIES
) -> list[str]:
    """Return the wanted components with all that they depend on, each after what it depends on.

    Raises PlanError for an unknown name or for components that depend on each other in a circle.
    """
    ordered: list[str] = []
    in_progress: set[str] = set()

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name not in dependencies:
            raise PlanError(f"there is no component {name!r}; known: {', '.join(dependencies)}")
        if name in in_progress:
            raise PlanError(f"{name} depends on itself")
        in_progress.add(name)
        for dependency in dependencies[name]:
            visit(dependency)
        ordered.append(name)

    for name in wanted:
        visit(name)
    return ordered


def dependents(name: str, dependencies: Mapping[str, tuple[str, ...]] = DEPENDENCIES) -> set[str]:
    """Return the components that directly depend on `name`: those must stop before it."""
    return {other for other, needs in dependencies.items() if name in needs}


def components_of(site: Site) -> dict[str, Component]:
    """Build every component of a region (or of none), in the order in which they can start."""
    if site.region == GLOBAL:
        are_several = len(site.regions) > 1
        return {one.name: one(site) for one in GLOBAL_CLASSES if are_several or one not in BETWEEN_REGIONS}
    classes = {one.name: one for one in COMPONENT_CLASSES}
    return {name: classes[name](site) for name in with_dependencies(DEPENDENCIES)}
