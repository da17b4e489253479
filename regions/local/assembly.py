"""The platform of this machine: its settings, folders, engines and components, put together in one place."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from regions.catalogue import GLOBAL, Catalogue, CatalogueError, load_catalogue
from regions.local.account import Account, engine_account
from regions.local.artifacts import Artifacts, load_artifacts
from regions.local.component import Component, Site
from regions.local.credentials import load_credentials
from regions.local.layout import Layout, choose_layout
from regions.local.plan import components_of
from regions.local.preparation import Preparation
from regions.local.settings import LocalSettings


class PlatformBusyError(Exception):
    """Another command is starting or stopping this platform."""


@dataclass(frozen=True)
class Platform:
    """One platform on this machine, before anything is known about what runs."""

    settings: LocalSettings
    catalogue: Catalogue
    account: Account
    layout: Layout
    artifacts: Artifacts

    def preparation(self) -> Preparation:
        """Return what this machine needs before the platform can start."""
        return Preparation(self.layout.cache, self.artifacts, self.account)

    def every_component(self) -> list[Component]:
        """Build what may run of any region, whatever REGIONS says now: what is stopped must be found."""
        settings = self.settings.model_copy(update={"regions": tuple(self.catalogue.regions)})
        return replace(self, settings=settings).components()

    def components(self) -> list[Component]:
        """Build the components of every region that runs here, and those of none."""
        toolchain = self.preparation().toolchain()
        credentials = load_credentials(self.layout.secrets)
        found: list[Component] = []
        for region in (*self.settings.regions, GLOBAL):
            site = Site(
                region=region,
                regions=self.settings.regions,
                catalogue=self.catalogue,
                layout=self.layout,
                account=self.account,
                credentials=credentials,
                toolchain=toolchain,
                log_level=self.settings.log_level,
            )
            found += components_of(site).values()
        return found

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the platform's lock; raises PlatformBusyError, naming the holder, when another has it."""
        self.layout.make_folders()
        with self.layout.lock.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise PlatformBusyError(
                    f"another command ({holder}) is starting or stopping this platform. "
                    "Wait for it to end, or end it."
                ) from None
            lock.truncate(0)
            lock.write(f"pid {os.getpid()}")
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)


def open_platform(settings: LocalSettings | None = None) -> Platform:
    """Put a platform together from the environment; reads files, starts and creates nothing.

    Where REGIONS says nothing, the regions are those for which the platform was last started.
    """
    settings = settings or LocalSettings()
    account = engine_account(settings.run_as)
    layout = choose_layout(settings.home, settings.cache, account)
    if "regions" not in settings.model_fields_set and (before := layout.last_regions()):
        settings = settings.model_copy(update={"regions": before})
    catalogue = load_catalogue().shifted(settings.port_offset)
    for region in settings.regions:
        catalogue.region(region)
    if catalogue.primary not in settings.regions:
        raise CatalogueError(f"REGIONS must name {catalogue.primary}, whose main is the first primary")
    return Platform(
        settings=settings,
        catalogue=catalogue,
        account=account,
        layout=layout,
        artifacts=load_artifacts(),
    )
