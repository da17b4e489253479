"""The catalogue of regions: their names, places, neighbours and addresses, read from `catalogue.toml`."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CATALOGUE_FILE = Path(__file__).with_name("catalogue.toml")

COMPONENTS = (
    "main",
    "reader",
    "kafka",
    "kafka_controller",
    "connect",
    "elasticsearch",
    "elasticsearch_transport",
    "redis",
    "gateway",
    "gateway_admin",
    "write_api",
    "read_api",
    "indexer",
    "mini_auth",
)
GLOBAL = "global"
"""Stands where a region's name does, for what belongs to none."""
GLOBAL_COMPONENTS = ("balancer_admin", "inbox", "inbox_smtp", "links")
REACHED_COMPONENTS = ("main", "write_api")
"""What one region may reach of another: replication and forwarded writes; nothing else crosses."""
MAX_LIMITS_TIMES = 10_000
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
FIRST_EPHEMERAL_PORT = 32768
"""Linux hands out client ports from here on (net.ipv4.ip_local_port_range)."""


class CatalogueError(Exception):
    """The catalogue of regions is wrong; the message names the entry and what it should be."""


@dataclass(frozen=True, order=True)
class Address:
    """Where a component listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, entry: str) -> "Address":
        """Read `host:port`; `entry` names the place in the catalogue for the error message."""
        host, separator, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
        if not (host and separator and port.isascii() and port.isdigit()):
            raise CatalogueError(f"{entry} must be host:port, not {text!r}")
        if not 1024 <= int(port) < FIRST_EPHEMERAL_PORT:
            raise CatalogueError(
                f"{entry} must have a port from 1024 to {FIRST_EPHEMERAL_PORT - 1}, not {port}"
            )
        return cls(host, int(port))

    def shifted(self, port_offset: int) -> "Address":
        """Return the same host with the port moved by `port_offset`."""
        return replace(self, port=self.port + port_offset)


@dataclass(frozen=True)
class Place:
    """Where a region is on Earth, in degrees."""

    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Region:
    """One region: where it is, which regions are near (nearest first), and what listens where."""

    name: str
    place: Place
    neighbours: tuple[str, ...]
    addresses: Mapping[str, Address]
    reaches: Mapping[str, Mapping[str, Address]]
    """By other region and its component: the near end of the lane that leads there."""


@dataclass(frozen=True)
class Lane:
    """One way across a link: who connects to `listen` in `source` gets to `component` of `target`."""

    source: str
    target: str
    component: str
    listen: Address
    leads_to: Address


@dataclass(frozen=True)
class Edge:
    """What people meet where they arrive."""

    https: bool = False
    """Whether they come by TLS, which ends before the first proxy of ours."""
    allowed_origins: tuple[str, ...] = ()
    """Web applications of other origins that may call the APIs from a browser."""
    request_limits_times: int = 1
    """How many times the limits of requests and bookings are multiplied; more than 1 only for tests."""


@dataclass(frozen=True)
class Catalogue:
    """All regions, the primary one, the address where people arrive, and what belongs to no region."""

    primary: str
    front_door: Address
    edge: Edge
    global_addresses: Mapping[str, Address]
    regions: Mapping[str, Region]

    def region(self, name: str) -> Region:
        """Return a region by name; raises CatalogueError if there is none."""
        try:
            return self.regions[name]
        except KeyError:
            raise CatalogueError(f"there is no region {name!r}; known: {', '.join(self.regions)}") from None

    def address(self, region: str, component: str) -> Address:
        """Return where a component of a region listens; raises CatalogueError if either is unknown."""
        if region == GLOBAL and component in self.global_addresses:
            return self.global_addresses[component]
        try:
            return self.region(region).addresses[component]
        except KeyError:
            raise CatalogueError(
                f"there is no component {component!r}; known: {', '.join(COMPONENTS)}"
            ) from None

    def reach(self, source: str, target: str, component: str) -> Address:
        """Return where `source` finds a component of `target`: its own directly, another's by a lane."""
        if source == target:
            return self.address(target, component)
        try:
            return self.region(source).reaches[target][component]
        except KeyError:
            raise CatalogueError(f"{source} has no lane to {component} of {target!r}") from None

    def lanes(self, names: Collection[str]) -> list[Lane]:
        """Return every lane between the named regions."""
        return [
            Lane(source, target, component, listen, self.address(target, component))
            for source in names
            for target, components in self.region(source).reaches.items()
            if target in names
            for component, listen in components.items()
        ]

    def nearest_first(self, name: str, names: Collection[str]) -> list[str]:
        """Return those of `names` that `name` should try, in order: itself, then its neighbours."""
        return [one for one in (name, *self.region(name).neighbours) if one in names]

    def shifted(self, port_offset: int) -> "Catalogue":
        """Return the same catalogue with every port moved, so that a second platform runs beside the first.

        Raises CatalogueError when a port would leave the range that is free of client sockets.
        """
        moved = replace(
            self,
            front_door=self.front_door.shifted(port_offset),
            global_addresses=_shifted(self.global_addresses, port_offset),
            regions={
                name: replace(
                    region,
                    addresses=_shifted(region.addresses, port_offset),
                    reaches={other: _shifted(lanes, port_offset) for other, lanes in region.reaches.items()},
                )
                for name, region in self.regions.items()
            },
        )
        for entry, address in moved.entries():
            if not 1024 <= address.port < FIRST_EPHEMERAL_PORT:
                raise CatalogueError(
                    f"a port offset of {port_offset} moves {entry} to {address.port}, "
                    f"outside 1024 to {FIRST_EPHEMERAL_PORT - 1}"
                )
        return moved

    def entries(self) -> Iterator[tuple[str, Address]]:
        """Yield every address with the name of its entry."""
        yield "front_door", self.front_door
        for component, address in self.global_addresses.items():
            yield f"global.addresses.{component}", address
        for region in self.regions.values():
            for component, address in region.addresses.items():
                yield f"regions.{region.name}.addresses.{component}", address
            for other, lanes in region.reaches.items():
                for component, address in lanes.items():
                    yield f"regions.{region.name}.reaches.{other}.{component}", address


def _shifted(addresses: Mapping[str, Address], port_offset: int) -> dict[str, Address]:
    return {key: address.shifted(port_offset) for key, address in addresses.items()}


def load_catalogue(path: Path = CATALOGUE_FILE) -> Catalogue:
    """Read and check a catalogue file; raises CatalogueError with the entry that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path} cannot be read: {error}") from error
    return parse_catalogue(document)


def parse_catalogue(document: Mapping[str, Any]) -> Catalogue:
    """Build a catalogue from a parsed document; raises CatalogueError with the entry that is wrong."""
    _only_keys(document, {"primary", "front_door", "edge", "global", "regions"}, "the catalogue")
    tables = _table(document["regions"], "regions")
    if not tables:
        raise CatalogueError("regions must name at least one region")
    regions = {name: _parse_region(name, table) for name, table in tables.items()}
    if document["primary"] not in regions:
        raise CatalogueError(f"primary must be one of {', '.join(regions)}, not {document['primary']!r}")
    for region in regions.values():
        others = set(regions) - {region.name}
        if set(region.neighbours) != others or len(region.neighbours) != len(others):
            found = list(region.neighbours)
            raise CatalogueError(
                f"regions.{region.name}.neighbours must name each other region once, not {found}"
            )
        _only_keys(region.reaches, others, f"regions.{region.name}.reaches")
    _only_keys(_table(document["global"], "global"), {"addresses"}, "global")
    catalogue = Catalogue(
        primary=document["primary"],
        front_door=Address.parse(document["front_door"], "front_door"),
        edge=_parse_edge(document["edge"]),
        global_addresses=_parse_addresses(
            document["global"]["addresses"], GLOBAL_COMPONENTS, "global.addresses"
        ),
        regions=regions,
    )
    _check_distinct(catalogue)
    return catalogue


def _parse_edge(value: Any) -> Edge:
    table = _table(value, "edge")
    _only_keys(table, {"https", "allowed_origins", "request_limits_times"}, "edge")
    https, origins, times = table["https"], table["allowed_origins"], table["request_limits_times"]
    if not isinstance(https, bool):
        raise CatalogueError("edge.https must be true or false")
    if not isinstance(origins, list) or not all(
        isinstance(origin, str) and _ORIGIN.fullmatch(origin) for origin in origins
    ):
        raise CatalogueError("edge.allowed_origins must be a list of origins such as https://example.com")
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= MAX_LIMITS_TIMES:
        raise CatalogueError(f"edge.request_limits_times must be a number from 1 to {MAX_LIMITS_TIMES}")
    return Edge(https, tuple(origins), times)


def _parse_region(name: str, table: Any) -> Region:
    entry = f"regions.{name}"
    if not (name.isascii() and name.isalnum() and name.islower()):
        raise CatalogueError(f"{entry}: a region's name is made of lower-case letters and digits")
    if name == GLOBAL:
        raise CatalogueError(f"{entry}: this name stands for what belongs to no region")
    _only_keys(_table(table, entry), {"place", "neighbours", "addresses", "reaches"}, entry)
    reaches = _table(table["reaches"], f"{entry}.reaches")
    neighbours = table["neighbours"]
    if not isinstance(neighbours, list) or not all(isinstance(neighbour, str) for neighbour in neighbours):
        raise CatalogueError(f"{entry}.neighbours must be a list of names")
    return Region(
        name=name,
        place=_parse_place(table["place"], f"{entry}.place"),
        neighbours=tuple(neighbours),
        addresses=_parse_addresses(table["addresses"], COMPONENTS, f"{entry}.addresses"),
        reaches={
            other: _parse_addresses(lanes, REACHED_COMPONENTS, f"{entry}.reaches.{other}")
            for other, lanes in reaches.items()
        },
    )


def _parse_addresses(value: Any, components: Collection[str], entry: str) -> dict[str, Address]:
    table = _table(value, entry)
    _only_keys(table, set(components), entry)
    return {key: Address.parse(text, f"{entry}.{key}") for key, text in table.items()}


def _parse_place(value: Any, entry: str) -> Place:
    table = _table(value, entry)
    _only_keys(table, {"name", "latitude", "longitude"}, entry)
    for key, limit in (("latitude", 90), ("longitude", 180)):
        if not isinstance(table[key], int | float) or not -limit <= table[key] <= limit:
            raise CatalogueError(f"{entry}.{key} must be a number of degrees from -{limit} to {limit}")
    return Place(str(table["name"]), float(table["latitude"]), float(table["longitude"]))


def _table(value: Any, entry: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CatalogueError(f"{entry} must be a table")
    return value


def _only_keys(table: Mapping[str, Any], expected: set[str], entry: str) -> None:
    if missing := sorted(expected - set(table)):
        raise CatalogueError(f"{entry} lacks {', '.join(missing)}")
    if unknown := sorted(set(table) - expected):
        raise CatalogueError(f"{entry} has unknown entries: {', '.join(unknown)}")


def _check_distinct(catalogue: Catalogue) -> None:
    seen: dict[Address, str] = {}
    for entry, address in catalogue.entries():
        if address in seen:
            raise CatalogueError(f"{entry} and {seen[address]} both listen on {address}")
        seen[address] = entry
