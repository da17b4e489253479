"""What tests of every kind share: one running platform of their own, beside any that already runs."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

from regions.catalogue import Catalogue, CatalogueError, load_catalogue
from tests.people import wait_for

# Everything here speaks plain HTTP, yet httpx reads all certificates of the machine for each request that has
# no client (17 ms of CPU). A folder without any costs nothing; commands get the environment as it was.
_ENVIRONMENT = dict(os.environ)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile(
    "frontrow", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("frontrow")

CHECKOUT = Path(__file__).resolve().parents[1]
REGION = "eu"
COMMAND_SECONDS = 240


class Platform:
    """One platform on this machine, driven through the command line as a person would drive it."""

    def __init__(self, home: Path, port_offset: int, regions: Sequence[str] = (REGION,)) -> None:
        self.home = home
        self.regions = tuple(regions)
        self.catalogue: Catalogue = load_catalogue().shifted(port_offset)
        self.environment = {
            **{name: value for name, value in _ENVIRONMENT.items() if not name.startswith("FRONTROW_")},
            **{name: os.environ[name] for name in ("FRONTROW_CACHE", "FRONTROW_MAVEN") if name in os.environ},
            "FRONTROW_HOME": str(home),
            "FRONTROW_PORT_OFFSET": str(port_offset),
            "REGIONS": ",".join(regions),
        }

    @property
    def gateway_url(self) -> str:
        return f"http://{self.catalogue.front_door}"

    @property
    def link_key(self) -> str:
        """What signs the links that people get by mail."""
        return str(json.loads((self.home / "secrets.json").read_text(encoding="utf-8"))["link_key"])

    def address(self, component: str, region: str = REGION) -> str:
        """Where a component listens, as host:port."""
        return str(self.catalogue.address(region, component))

    def database_url(self, role: str, node: str, region: str = REGION) -> str:
        """libpq URL of the database for a role (also `postgres`) on `main` or `reader`."""
        secrets = json.loads((self.home / "secrets.json").read_text(encoding="utf-8"))
        return f"postgresql://{role}:{secrets['passwords'][role]}@{self.address(node, region)}/frontrow"

    def up(self, *components: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Start everything (without demo events), or some components and what they depend on."""
        return self.command(
            "up", "--no-demo", *(("--only", ",".join(components)) if components else ()), check=check
        )

    def down(self) -> "subprocess.CompletedProcess[str]":
        return self.command("down")

    def status(self) -> dict[str, Any]:
        """What `frontrow status --json` says, whatever its exit code."""
        answer: dict[str, Any] = json.loads(self.command("status", "--json", check=False).stdout)
        return answer

    def component(self, name: str, region: str = REGION) -> dict[str, Any]:
        """The status of one component."""
        return next(
            one for one in self.status()["components"] if (one["name"], one["region"]) == (name, region)
        )

    def kill(self, component: str, region: str = REGION) -> int:
        """SIGKILL a component with all its processes, as a power cut would; returns the pid that it had."""
        pid: int = self.component(component, region)["pid"]
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        for one in family:
            one.send_signal(signal.SIGKILL)
        wait_for(f"{component} is dead", lambda: not any(map(is_alive, family)))
        return pid

    def kill_region(self, region: str) -> None:
        """SIGKILL everything of a region at once, as a power cut would."""
        pids = [one["pid"] for one in self.status()["components"] if one["region"] == region and one["pid"]]
        leaders = [psutil.Process(pid) for pid in pids]
        family = [one for leader in leaders for one in (leader, *leader.children(recursive=True))]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        wait_for(f"{region} is dead", lambda: not any(map(is_alive, family)))

    def command(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `frontrow`; fails the test with its output if it fails and `check` is set."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env=self.environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"frontrow {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}", pytrace=False
            )
        return done

    def processes(self) -> list[int]:
        """Every process that belongs to this platform, found by its folder and not by run files."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
            words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
            if process.info["pid"] != os.getpid() and any(str(self.home) in word for word in words):
                found.append(int(process.info["pid"]))
        return found


def new_platform(name: str, regions: Sequence[str] = (REGION,)) -> Platform:
    """A platform that was never started, in a folder that the engines' account can enter, on free ports."""
    home = Path(tempfile.mkdtemp(prefix=f"frontrow-{name}-"))
    home.chmod(0o755)
    return Platform(home, free_port_offset(regions), regions)


def free_port_offset(regions: Sequence[str] = (REGION,)) -> int:
    """An offset at which every port of the regions is free; random, so that parallel runs seldom meet."""
    for _ in range(200):
        offset = random.randrange(3000, 9000)
        try:
            catalogue = load_catalogue().shifted(offset)
        except CatalogueError:
            continue
        addresses = [catalogue.front_door, *catalogue.global_addresses.values()]
        addresses += [lane.listen for lane in catalogue.lanes(regions)]
        addresses += [one for region in regions for one in catalogue.region(region).addresses.values()]
        if all(is_free(address.port) for address in addresses):
            return offset
    raise AssertionError("no port offset from 3000 to 8999 has all of its ports free")


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def discard(platform: Platform) -> None:
    """Take a platform down and forget it, whatever state a test has left it in."""
    try:
        platform.command("forget", "--yes")
    finally:
        shutil.rmtree(platform.home, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--half",
        choices=["platform", "rest"],
        help="Only the files that start a platform, or only the others: `make test` runs both side by side.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that need no platform come first, then those of one region, then those of three.

    So each platform starts once, and never beside the other: two cores don't carry both. Of those that share
    one, files that leave many events behind come last: others compare the whole index with PostgreSQL.
    """
    needs: dict[str, tuple[int, bool]] = {}
    for item in items:
        names = getattr(item, "fixturenames", ())
        need = 2 if "three" in names else int("platform" in names)
        file = item.nodeid.partition("::")[0]
        is_last = item.get_closest_marker("leaves_many_events") is not None
        needs[file] = max((need, is_last), needs.get(file, (0, False)))
    items.sort(key=lambda item: needs[item.nodeid.partition("::")[0]])
    half = config.getoption("--half")
    if half is not None:
        is_chosen = {
            file: (need > 0 or file.startswith("tests/integration/local_platform/")) == (half == "platform")
            for file, (need, _) in needs.items()
        }
        config.hook.pytest_deselected(
            items=[item for item in items if not is_chosen[item.nodeid.partition("::")[0]]]
        )
        items[:] = [item for item in items if is_chosen[item.nodeid.partition("::")[0]]]


@pytest.fixture(scope="session")
def shared_platforms() -> Iterator[ExitStack]:
    """Takes down the platform that tests share: at the end of the run, or before the next one starts."""
    with ExitStack() as running:
        yield running


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest, shared_platforms: ExitStack) -> Platform:
    """One whole platform of one region for all tests of a run, empty of events."""
    running = new_platform("tests")
    shared_platforms.callback(discard, running)
    began = time.monotonic()
    running.up()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        seconds = time.monotonic() - began
        print(f"\nThe platform of the tests was up after {seconds:.1f} s, state in {running.home}")
    return running
