"""The commands that run the platform on this machine: up, down, status, logs, forget."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from regions.catalogue import GLOBAL, CatalogueError
from regions.local.account import AccountError
from regions.local.applications import Links
from regions.local.artifacts import ArtifactError
from regions.local.assembly import Platform, PlatformBusyError, open_platform
from regions.local.boot import (
    LAST_LINES,
    Boot,
    Failure,
    StartInterruptedError,
    kill_components,
    last_lines,
    run_file_of,
    stop_components,
)
from regions.local.component import Component, health_details
from regions.local.credentials import create_credentials
from regions.local.interrupts import ignore_interrupts, interrupts_stop_us
from regions.local.layout import LayoutError
from regions.local.plan import COMPONENT_CLASSES, GLOBAL_CLASSES, PlanError, with_dependencies
from regions.local.ports import find_clashes
from regions.local.preparing import prepare_machine
from regions.local.reporting import Progress
from regions.local.status import platform_status, region_sentence, status_table
from regions.local.supported import memory_problem
from regions.local.tracking import wait_until
from regions.local.training import train_class_archives
from regions.local.welcome import demo_events, welcome

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
console = Console(soft_wrap=True)
_EXPECTED = (CatalogueError, AccountError, ArtifactError, LayoutError, PlanError, PlatformBusyError)
_INTERRUPTED = 130
_WRITER_SECONDS = 10.0
_NAMES = ", ".join(one.name for one in COMPONENT_CLASSES)


@contextmanager
def _plain_failures() -> Iterator[None]:
    """Show what is expected to go wrong as a sentence, with exit code 1, never as a stack trace."""
    try:
        yield
    except _EXPECTED as error:
        _complain(str(error))
        raise typer.Exit(1) from None


@app.command(epilog="Examples: frontrow up; REGIONS=eu frontrow up; frontrow up --region us")
def up(
    only: Annotated[
        str | None,
        typer.Option(help=f"Start only these, separated by commas, and what they depend on: {_NAMES}."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Start only this region: it comes back, and catches up by itself.")
    ] = None,
    demo: Annotated[bool, typer.Option(help="Load demo events when the platform is new.")] = True,
) -> None:
    """Start the platform; what already runs is left alone, so this also brings back what was killed.

    A new platform has three regions: eu, us and ap. REGIONS=eu (or eu,us) starts fewer, later ones as well.
    """
    with _plain_failures():
        try:
            with interrupts_stop_us():
                platform = open_platform()
                with platform.alone():
                    _bring_up(platform, only, region)
                    if only is None:
                        _tell_if_nobody_writes(platform)
                    if only is None and region is None and demo:
                        demo_events(platform, console)
        except StartInterruptedError:
            _complain("Interrupted: everything that this command was starting has been stopped.")
            raise typer.Exit(_INTERRUPTED) from None
        except KeyboardInterrupt:  # before anything was started, or after all of it was ready
            _complain("Interrupted while nothing was starting. `frontrow status` shows what runs.")
            raise typer.Exit(_INTERRUPTED) from None
        if only is None and region is None:
            text = welcome(
                platform.catalogue.front_door,
                platform.catalogue.address(GLOBAL, "inbox"),
                platform.settings.regions,
            )
            console.print(text, markup=False, highlight=False)


def _bring_up(platform: Platform, only: str | None, region: str | None) -> None:
    layout = platform.layout
    wanted = with_dependencies([name.strip() for name in only.split(",")]) if only else None
    if region is not None and region not in platform.settings.regions:
        raise CatalogueError(f"{region} is none of REGIONS={','.join(platform.settings.regions)}")
    _refuse_too_little_memory(platform)
    _refuse_other_regions(platform)
    prepare_machine(platform.preparation(), str(layout.cache), platform.settings.maven, console)
    train_class_archives(platform, console)
    began = time.monotonic()
    create_credentials(layout.secrets)
    components = [one for one in platform.components() if _is_wanted(one, wanted, region)]
    _refuse_clashes(components)
    progress = Progress(console, show_region=len(platform.settings.regions) > 1)
    with progress.shown():
        failures = Boot(components, progress).run()
    if failures:
        _explain(failures)
        raise typer.Exit(1)
    console.print(f"Ready in {time.monotonic() - began:.1f} s.", highlight=False)


def _refuse_too_little_memory(platform: Platform) -> None:
    """What swaps is slow and then fails in strange ways; asked only where nothing runs yet."""
    if not any(run_file_of(one).process() for one in platform.every_component()) and (
        problem := memory_problem(len(platform.settings.regions))
    ):
        _complain(problem)
        raise typer.Exit(1)


def _refuse_other_regions(platform: Platform) -> None:
    """Regions name each other in their configurations: which ones run can't change under those that run."""
    before, now = platform.layout.last_regions(), platform.settings.regions
    if before and before != now and any(run_file_of(one).process() for one in platform.every_component()):
        raise CatalogueError(
            f"the platform runs with REGIONS={','.join(before)}: "
            f"`frontrow down` first, then REGIONS={','.join(now)}"
        )
    platform.layout.regions_marker.write_text(",".join(now), encoding="utf-8")


def _tell_if_nobody_writes(platform: Platform) -> None:
    """Wait a little for a writer: it may need the quorum that has just started, or a region that has not."""
    addresses = [platform.catalogue.address(one, "write_api") for one in platform.settings.regions]

    def somebody_writes() -> bool:
        return any(health_details(f"http://{one}/health/ready").get("writer") is True for one in addresses)

    if not wait_until(somebody_writes, _WRITER_SECONDS, lambda: False, 0.2):
        _complain("No region takes writes: the primary's region is down, or too few mains follow it.")


def _is_wanted(component: Component, names: Sequence[str] | None, region: str | None) -> bool:
    """Tell whether to start a component; the links always, for a main may need them."""
    if component.site.region == GLOBAL:
        return names is None or component.name == Links.name
    return (names is None or component.name in names) and region in {None, component.site.region}


def _refuse_clashes(components: Sequence[Component]) -> None:
    stopped = [component for component in components if run_file_of(component).process() is None]
    if clashes := find_clashes(stopped):
        for clash in clashes:
            _complain(str(clash))
        _complain("Nothing was started. End those processes, or move all ports (FRONTROW_PORT_OFFSET=3000).")
        raise typer.Exit(1)


def _explain(failures: Sequence[Failure]) -> None:
    for failure in failures:
        component = failure.component
        _complain(f"\n{component.label} failed: {failure.reason}")
        if failure.last_lines:
            console.print(f"The last {min(LAST_LINES, len(failure.last_lines))} lines of {component.log}:")
            for line in failure.last_lines:
                console.print(f"  {line}", markup=False, highlight=False)
        console.print(component.advice(), markup=False, highlight=False)
    console.print("Everything that this command started has been stopped.")


@app.command(epilog="Examples: frontrow down; frontrow down --region us --kill")
def down(
    region: Annotated[str | None, typer.Option(help="Stop only this region; the others go on.")] = None,
    kill: Annotated[bool, typer.Option("--kill", help="Kill it all at once, as a power cut would.")] = False,
) -> None:
    """Stop the platform; its state stays for the next `up`."""
    with _plain_failures():
        platform = open_platform()
        if region is not None:
            platform.catalogue.region(region)  # refuses an unknown one
        with platform.alone():
            _stop(platform, region, kill=kill)


def _stop(platform: Platform, region: str | None = None, *, kill: bool = False) -> None:
    began = time.monotonic()
    progress = Progress(console, show_region=len(platform.layout.last_regions()) > 1)
    stopping = [one for one in platform.every_component() if region in {None, one.site.region}]
    with ignore_interrupts(), progress.shown():
        if kill:
            kill_components(stopping)
        stop_components(stopping, progress)
    console.print(f"Stopped in {time.monotonic() - began:.1f} s.", highlight=False)


@app.command(epilog="Example: frontrow status --json")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")] = False,
) -> None:
    """Show each component, and how fresh each region is; exit code 0 only if all of them run."""
    with _plain_failures():
        found = platform_status(open_platform().components())
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        console.print(status_table(found))
        for component in found.components:
            if component.reason:
                where = f"{component.region} " if len(found.regions) > 1 else ""
                _complain(f"{where}{component.name} is unhealthy: {component.reason}")
        for region in found.regions:
            console.print(region_sentence(region), highlight=False)
    raise typer.Exit(0 if found.all_running else 1)


@app.command(epilog="Example: frontrow logs kafka --lines 50 --follow")
def logs(
    component: Annotated[str, typer.Argument(help=f"One of: {_NAMES}.")],
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the last lines to show.")] = 100,
    follow: Annotated[bool, typer.Option(help="Go on showing lines as they are written.")] = False,
    region: Annotated[
        str | None, typer.Option(help="The region; by default the first that runs here.")
    ] = None,
) -> None:
    """Show the log of one component."""
    with _plain_failures():
        platform = open_platform()
        chosen = region or platform.settings.regions[0]
        if component in {one.name for one in GLOBAL_CLASSES}:
            chosen = GLOBAL
        else:
            with_dependencies([component])  # refuses an unknown name
            platform.catalogue.region(chosen)
        log = platform.layout.log(chosen, component)
    if not log.exists():
        _complain(f"{component} has never been started here ({log} does not exist).")
        raise typer.Exit(1)
    if follow:
        try:
            subprocess.run(["tail", "-n", str(lines), "-F", str(log)], check=False)
        except KeyboardInterrupt:
            return
    for line in [] if follow else last_lines(log, lines):
        sys.stdout.write(f"{line}\n")


@app.command(epilog="Example: frontrow forget --yes")
def forget(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the platform and delete its state: every event, account and booking. Downloads are kept."""
    with _plain_failures():
        platform = open_platform()
        home = platform.layout.home
        if not home.exists():
            console.print(f"There is nothing to forget in {home}.", highlight=False)
            return
        if not yes:
            typer.confirm(f"Delete everything in {home}?", abort=True)
        with platform.alone():
            _stop(platform)
            shutil.rmtree(home)
    console.print(f"Forgot {home}.", highlight=False)


def _complain(message: str) -> None:
    console.print(f"[red]{escape(message)}[/red]", highlight=False)
