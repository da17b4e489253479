"""Where the local platform keeps its files: the state of one platform, and the artefacts that all share."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from regions.local.account import Account

CHECKOUT = Path(__file__).resolve().parents[2]
_ONLY_REGION = "eu"


class LayoutError(Exception):
    """A folder cannot serve; the message says which and what to do."""


@dataclass(frozen=True)
class Layout:
    """The folders of one platform.

    `home` holds everything that `make clean` forgets; `cache` holds what can be downloaded again.
    """

    home: Path
    cache: Path

    def state(self, region: str, component: str) -> Path:
        """Folder where a component keeps its data and its rendered configuration."""
        return self.home / region / component

    def log(self, region: str, component: str) -> Path:
        """File that takes what a component writes to its standard output and error."""
        return self.home / "logs" / f"{region}.{component}.log"

    def run_file(self, region: str, component: str) -> Path:
        """File that says which process a component is."""
        return self.run_folder / f"{region}.{component}.json"

    @property
    def run_folder(self) -> Path:
        """Folder of all run files."""
        return self.home / "run"

    @property
    def secrets(self) -> Path:
        """File of generated passwords and keys, readable by its owner only."""
        return self.home / "secrets.json"

    @property
    def lock(self) -> Path:
        """File whose lock is held while the platform is being started or stopped."""
        return self.home / "platform.lock"

    @property
    def regions_marker(self) -> Path:
        """File that says for which regions the platform was last started."""
        return self.home / "regions"

    def last_regions(self) -> tuple[str, ...]:
        """Return the regions for which the platform was last started; none if it never was."""
        marker = self.regions_marker
        if marker.exists():
            return tuple(marker.read_text(encoding="utf-8").split(","))
        # A platform that is older than the marker had one region.
        return (_ONLY_REGION,) if self.state(_ONLY_REGION, "main").exists() else ()

    @property
    def demo_marker(self) -> Path:
        """File that exists once the demo events were loaded."""
        return self.home / "demo-loaded"

    def make_folders(self) -> None:
        """Create the folders that every command needs; raises LayoutError if that is impossible."""
        try:
            for folder in (self.home, self.home / "logs", self.run_folder):
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise LayoutError(
                f"cannot create {error.filename}: {error.strerror}; set FRONTROW_HOME"
            ) from error


def choose_layout(home: Path | None, cache: Path | None, account: Account) -> Layout:
    """Decide where state and artefacts live; explicit choices win.

    Raises LayoutError when an explicit choice is out of reach for the account that runs the engines.
    """
    layout = Layout(
        home=(home or _default_home(account)).absolute(), cache=(cache or _default_cache()).absolute()
    )
    for variable, folder in (("FRONTROW_HOME", layout.home), ("FRONTROW_CACHE", layout.cache)):
        if account.is_other and not account.can_traverse(folder / "x"):
            raise LayoutError(
                f"user {account.name}, who runs the engines, cannot enter {folder}: "
                f"set {variable} to a folder below ones that everybody may enter"
            )
    return layout


def _default_home(account: Account) -> Path:
    inside = CHECKOUT / ".frontrow"
    if not account.is_other or account.can_traverse(inside):
        return inside
    digest = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
    return Path("/var/lib/frontrow") / f"{CHECKOUT.name}-{digest}"


def _default_cache() -> Path:
    if os.geteuid() == 0:
        return Path("/var/cache/frontrow")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "frontrow"
