"""What every component of a region has in common, whether an engine or a process of our own."""

import os
import signal
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx

from regions.catalogue import Address, Catalogue
from regions.local.account import Account
from regions.local.credentials import Credentials
from regions.local.layout import Layout
from regions.local.preparation import Toolchain

DATABASE = "frontrow"
_LOG_LIMIT_BYTES = 10 << 20
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ComponentError(Exception):
    """A component cannot be prepared or started; the message says why and what to do."""


@dataclass(frozen=True)
class Site:
    """Everything that the components of one region are built from."""

    region: str
    regions: tuple[str, ...]
    """All regions that run on this machine."""
    catalogue: Catalogue
    layout: Layout
    account: Account
    credentials: Credentials
    toolchain: Toolchain
    log_level: str

    @property
    def other_regions(self) -> tuple[str, ...]:
        """The other regions that run on this machine."""
        return tuple(region for region in self.regions if region != self.region)

    def address(self, component: str) -> Address:
        """Where a component of this region listens."""
        return self.catalogue.address(self.region, component)

    def database_url(self, role: str, node: str, region: str | None = None) -> str:
        """libpq address of the database for a role, on `main` or `reader`, password included.

        Another region's node is reached across the link.
        """
        address = self.catalogue.reach(self.region, region or self.region, node)
        return f"postgresql://{role}:{self.credentials.passwords[role]}@{address}/{DATABASE}"


Key = tuple[str, str]
"""A component of the platform: its region (or `global`) and its name."""

RunStep = Callable[[Sequence[str], Mapping[str, str]], None]
"""Runs a short program of the component (as its account) to its end; raises ComponentError if it fails."""


class Component(ABC):
    """One process of a region: how it is prepared, started, judged ready and stopped."""

    name: ClassVar[str]
    depends_on: ClassVar[tuple[str, ...]] = ()
    """Components that it needs: they are ready before it is prepared, and stop after it."""
    start_seconds: ClassVar[float] = 60.0
    """How long it may take to become ready."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_seconds: ClassVar[float] = 10.0
    """How long it may take to end before it is killed."""
    hands_over: ClassVar[bool] = False
    """True when its command is a launcher, which ends when the server that it has started is ready."""
    runs_as_engine: ClassVar[bool] = True
    """False for our own processes, which run as the person who called us."""

    def __init__(self, site: Site) -> None:
        self.site = site

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.site.address(self.name)

    @property
    def state(self) -> Path:
        """Its folder."""
        return self.site.layout.state(self.site.region, self.name)

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.site.layout.log(self.site.region, self.name)

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.site.region, self.name

    @property
    def label(self) -> str:
        """What people call it: with its region where there are several."""
        return f"{self.site.region} {self.name}" if len(self.site.regions) > 1 else self.name

    def needs(self) -> tuple[Key, ...]:
        """What it starts after and stops before, as far as that is started or stopped by the same call."""
        return tuple((self.site.region, name) for name in self.depends_on)

    def listens_on(self) -> tuple[Address, ...]:
        """Every address that must be free before it starts."""
        return (self.address,)

    @abstractmethod
    def version(self) -> str:
        """Version of the program."""

    def prepare(self, run_step: RunStep) -> None:  # noqa: B027  nothing to prepare is a valid answer
        """Make state and configuration ready; idempotent, and safe after being killed anywhere in it."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line."""

    def environment(self) -> Mapping[str, str]:
        """The whole environment of the process."""
        return plain_environment(self.state)

    @abstractmethod
    def not_ready_because(self) -> str | None:
        """Say why it cannot serve yet, or None when it can. Never raises for a component that is down."""

    def not_started_because(self) -> str | None:
        """Say why `up` must go on waiting for it, or None; for most the same as being able to serve."""
        return self.not_ready_because()

    def mend(self) -> None:  # noqa: B027  most components need nobody
        """What `up` puts right under one that already runs, before it judges it; idempotent."""

    def finish(self) -> None:  # noqa: B027  most components are finished when they are ready
        """What is left to do once it is ready; idempotent."""

    def advice(self) -> str:
        """What a person can do when it fails."""
        region = f" --region {self.site.region}" if len(self.site.regions) > 1 else ""
        return f"Read the whole log with `frontrow logs {self.name}{region}`, then run `frontrow up` again."

    def make_state_folder(self, *parts: str) -> Path:
        """Create a folder inside the component's state, owned by the account that runs it."""
        folder = self.state.joinpath(*parts)
        self.site.layout.state(self.site.region, "").mkdir(mode=0o755, parents=True, exist_ok=True)
        for one in [*reversed([p for p in folder.parents if p.is_relative_to(self.state)]), folder]:
            if not one.exists():
                one.mkdir(mode=0o700)
                if self.runs_as_engine:
                    self.site.account.give(one)
        return folder

    def write_file(self, path: Path, text: str) -> Path:
        """Write a file for the component's account only (it may hold a password); it appears whole."""
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if self.runs_as_engine:
            self.site.account.give(unfinished)
        unfinished.replace(path)
        return path


def plain_environment(home: Path) -> dict[str, str]:
    """Return an environment that does not depend on the person's own."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def rotate(log: Path) -> None:
    """Keep one older log, so that logs stay bounded over many starts; only while nobody writes it."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def http_get(url: str, timeout_seconds: float = 2.0) -> httpx.Response:
    """Ask a component of this machine; raises httpx.HTTPError when it can't be asked.

    Everything here speaks plain HTTP. Without a context of ours, httpx would read all certificates of the
    machine for each request (17 ms of CPU), and `up` asks many components twenty times a second.
    """
    return httpx.get(url, timeout=timeout_seconds, trust_env=False, verify=_NO_CERTIFICATES)


def http_fault(url: str) -> str | None:
    """Say why a health address does not answer 200, or None when it does."""
    try:
        answer = http_get(url)
    except httpx.HTTPError as error:
        return f"{url}: {type(error).__name__}"
    return None if answer.status_code == httpx.codes.OK else f"{url} answers {answer.status_code}"


def health_details(url: str) -> Mapping[str, object]:
    """Return what a process of ours says of its readiness, ready or not; nothing if it can't be asked."""
    try:
        return dict(http_get(url).json()["details"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}
