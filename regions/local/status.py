"""What runs, where, how much it takes, and how fresh each region's data is."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import httpx
import psutil
import psycopg
from rich.table import Table

from regions.catalogue import GLOBAL
from regions.local.boot import run_file_of
from regions.local.component import DATABASE, Component, Site, health_details, http_get
from regions.local.engines.postgresql import Main, reader_name
from regions.local.index_status import IndexStatus, index_status, index_words
from regions.local.mail_status import MailStatus, mail_status, mail_words
from regions.local.named_queries import QUERIES

REVOKED_WITHIN_SECONDS = 2.0
"""What is revoked is refused in every region within so long."""
State = Literal["running", "stopped", "unhealthy"]


@dataclass(frozen=True)
class ComponentStatus:
    """One component. `memory_bytes` is resident memory with each shared page divided among its users."""

    name: str
    region: str
    state: State
    version: str
    pid: int | None
    address: str
    memory_bytes: int | None
    reason: str | None
    """Why it is unhealthy."""


@dataclass(frozen=True)
class RegionStatus:
    """How fresh a region's data is; None where it cannot be known."""

    region: str
    durability: str
    main: str | None
    """What its main is: `primary` or `standby`."""
    writer: bool
    """Whether its write_api takes writes."""
    writer_state: str | None
    """What its write_api is: writer, unconfirmed, standby, fenced or unopened; None if it is silent."""
    fenced: bool
    """Whether its write_api takes no writes because another main knows a higher generation."""
    generation: int | None
    """The newest generation that its main knows."""
    generation_members: tuple[str, ...]
    """The mains that may hold, alone, what was acknowledged in that generation."""
    highest_generation_seen: int | None
    """The highest that its write_api has heard of, while its main is a primary."""
    quorum_members: tuple[str, ...]
    """The mains of which one must have what this main acknowledges; empty with durability `local`."""
    streaming_members: tuple[str, ...]
    """Those of them that stream from this main now."""
    main_lag_bytes: int | None
    """How far this main's replay is behind the primary; 0 there."""
    replication_lag_bytes: int | None
    """How far the reader is behind its own main, as the next is in milliseconds."""
    replication_lag_ms: float | None
    index_age_ms: int | None
    knowledge_age_ms: int | None
    """How long ago its reader last told mini_auth of keys and revocations."""
    index: IndexStatus
    """What its indexer is doing."""
    mail: MailStatus | None
    """How its write_api fares with mails; None where that is no writer."""


@dataclass(frozen=True)
class PlatformStatus:
    """The whole platform at one moment."""

    front_door: str
    components: tuple[ComponentStatus, ...]
    regions: tuple[RegionStatus, ...]

    @property
    def all_running(self) -> bool:
        """True when every component runs and is healthy."""
        return all(component.state == "running" for component in self.components)

    def as_json(self) -> dict[str, Any]:
        """Return what `frontrow status --json` prints."""
        return {"all_running": self.all_running, **asdict(self)}


def platform_status(components: Sequence[Component]) -> PlatformStatus:
    """Ask every component, in parallel; each question has a timeout of a few seconds."""
    sites = {one.site.region: one.site for one in components if one.site.region != GLOBAL}
    with ThreadPoolExecutor(max_workers=16) as pool:
        waiting = [pool.submit(_component_status, component) for component in components]
        regions = [pool.submit(_region_status, site) for site in sites.values()]
        front_door = str(next(iter(sites.values())).catalogue.front_door)
        return PlatformStatus(
            front_door=f"http://{front_door}",
            components=tuple(one.result() for one in waiting),
            regions=tuple(one.result() for one in regions),
        )


def _component_status(component: Component) -> ComponentStatus:
    run_file = run_file_of(component)
    family = run_file.family()
    reason = component.not_ready_because() if family else None
    return ComponentStatus(
        name=component.name,
        region=component.site.region,
        state="stopped" if not family else "unhealthy" if reason else "running",
        version=component.version(),
        pid=family[0].pid if family else None,
        address=str(component.address),
        memory_bytes=sum(map(_memory_bytes, family)) if family else None,
        reason=reason,
    )


def _memory_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)  # another user's: pages that are shared count in each
    except psutil.NoSuchProcess:
        return 0


def _region_status(site: Site) -> RegionStatus:
    lag_bytes, lag_ms = _reader_lag(site)
    write_api = health_details(f"http://{site.address('write_api')}/health/ready")
    members = site.other_regions
    in_recovery = _first(site, "is_in_recovery")
    is_primary = in_recovery is not None and not in_recovery[0]
    generation, generation_members = _generation(site)
    return RegionStatus(
        region=site.region,
        durability="quorum" if members else "local",
        main=None if in_recovery is None else "primary" if is_primary else "standby",
        writer=write_api.get("writer") is True,
        writer_state=_text(write_api.get("state")),
        fenced=write_api.get("fenced") is True,
        generation=generation,
        generation_members=generation_members,
        highest_generation_seen=_whole_number(write_api.get("highest_generation_seen")),
        quorum_members=members,
        streaming_members=_streaming_members(site) if is_primary and members else (),
        main_lag_bytes=0 if is_primary else _main_lag(site),
        replication_lag_bytes=lag_bytes,
        replication_lag_ms=lag_ms,
        index_age_ms=_index_age_ms(site),
        knowledge_age_ms=_whole_number(
            health_details(f"http://{site.address('mini_auth')}/health/ready").get("age_ms")
        ),
        index=index_status(site),
        mail=mail_status(write_api),
    )


def _first(site: Site, query: str, **parameters: object) -> tuple[object, ...] | None:
    """Ask a region's main for one row; None if it can't be asked or has none."""
    try:
        with Main(site).connect(DATABASE) as connection:
            return connection.execute(QUERIES[query], parameters).fetchone()
    except psycopg.Error:
        return None


def _generation(site: Site) -> tuple[int | None, tuple[str, ...]]:
    row = _first(site, "newest_generation")
    return (int(str(row[0])), tuple(str(row[1]).split())) if row else (None, ())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _streaming_members(site: Site) -> tuple[str, ...]:
    row = _first(site, "streaming_members", members=list(site.other_regions))
    return tuple(str(row[0]).split()) if row else ()


def _main_lag(site: Site) -> int | None:
    primary = replace(site, region=site.catalogue.primary)
    row = _first(primary, "follower_lag", follower=site.region)
    return None if row is None else int(str(row[0]))


def _reader_lag(site: Site) -> tuple[int | None, float | None]:
    row = _first(site, "follower_lag", follower=reader_name(site.region))
    return (None, None) if row is None else (int(str(row[0])), round(float(str(row[1])), 1))


def _index_age_ms(site: Site) -> int | None:
    """Ask the process that serves the index, then the one that fills it."""
    for component in ("read_api", "indexer"):
        try:
            url = f"http://{site.address(component)}/health/ready"
            age = http_get(url).json()["details"]["index_age_ms"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            continue
        if isinstance(age, int | float):
            return int(age)
    return None


def status_table(status: PlatformStatus) -> Table:
    """Render the components for a person, in 80 columns; with several regions without versions."""
    several = len(status.regions) > 1
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    headings = ("component", "state", *(("version",) * (not several)), "pid", "address")
    for heading in ("region",) * several + headings:
        table.add_column(heading, no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    styles = {"running": "green", "stopped": "dim", "unhealthy": "red"}
    for one in status.components:
        table.add_row(
            *((one.region,) * several),
            one.name,
            f"[{styles[one.state]}]{one.state}[/]",
            *((one.version,) * (not several)),
            str(one.pid or "-"),
            one.address,
            f"{one.memory_bytes / 2**20:.0f} MiB" if one.memory_bytes is not None else "-",
        )
    return table


def region_sentence(region: RegionStatus) -> str:
    """Say for a person how fresh a region is and what an acknowledged write means there."""
    reader = (
        f"reader {region.replication_lag_bytes} bytes and {region.replication_lag_ms:.0f} ms behind"
        if region.replication_lag_bytes is not None and region.replication_lag_ms is not None
        else "reader not streaming"
    )
    index = index_words(region.index, region.index_age_ms)
    parts = [
        *_main_words(region),
        reader,
        index,
        knowledge_words(region.knowledge_age_ms),
        mail_words(region.mail),
        _durability_words(region),
    ]
    return f"{region.region}: {'; '.join(part for part in parts if part)}."


def knowledge_words(age_ms: int | None) -> str:
    """Say how old the knowledge of keys and revocations is, if that is longer than is promised."""
    if age_ms is None:
        return "age of keys and revocations unknown"
    seconds = age_ms / 1000
    return f"keys and revocations {seconds:.0f} s OLD" if seconds > REVOKED_WITHIN_SECONDS else ""


def _main_words(region: RegionStatus) -> list[str]:
    """What several regions need to know of each other's mains."""
    if not region.quorum_members:
        return [_writer_words(region)] if region.writer_state and not region.writer else []
    if region.main == "primary":
        streaming = ", ".join(region.streaming_members) or "nobody"
        return [f"primary{_generation_words(region)}, {_writer_words(region)}, followed by {streaming}"]
    if region.main is None:
        return ["main does not answer"]
    behind = f"{region.main_lag_bytes} bytes behind" if region.main_lag_bytes is not None else "not streaming"
    return [f"standby {behind}"]


def _generation_words(region: RegionStatus) -> str:
    if region.generation is None:
        return ""
    return f" of generation {region.generation} ({', '.join(region.generation_members) or 'alone'})"


def _writer_words(region: RegionStatus) -> str:
    if region.writer:
        return "takes writes"
    match region.writer_state:
        case "fenced":
            return f"FENCED: generation {region.highest_generation_seen} is known elsewhere"
        case "unopened":
            return "takes NO writes: no generation was opened with it"
        case "unconfirmed":
            return "takes NO writes: its quorum confirms nothing"
    return "takes NO writes"


def _durability_words(region: RegionStatus) -> str:
    if region.durability == "local":
        return "durability local: a write is acknowledged when this one region has it on disk"
    if region.main != "primary":
        return ""
    members = " or ".join(region.quorum_members)
    return f"durability quorum: a write is acknowledged when {members} has it on disk as well"
