"""The command that slows and cuts the links between regions, to see what the platform does then."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from regions.catalogue import GLOBAL, CatalogueError
from regions.local.account import AccountError
from regions.local.assembly import open_platform
from regions.local.layout import LayoutError
from regions.local.link_control import LinkError, ask

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Act on regions and their links.")
console = Console(soft_wrap=True)
_EXPECTED = (CatalogueError, AccountError, LayoutError, LinkError)


@app.callback()
def regions() -> None:
    """Act on regions and their links."""


@app.command(epilog="Example: frontrow regions link eu-us --delay-ms 80")
def link(
    name: Annotated[
        str | None, typer.Argument(help="A link, such as eu-us; without it all are shown.")
    ] = None,
    *,
    delay_ms: Annotated[
        float | None, typer.Option(min=0, help="Delay in each direction; a round trip takes twice as long.")
    ] = None,
    cut: Annotated[bool, typer.Option("--cut", help="Let nothing pass, as when a cable is cut.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Let everything pass at once again.")] = False,
    one_way: Annotated[
        bool,
        typer.Option("--one-way", help="Change only the direction that is named: eu-us is from eu to us."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")] = False,
) -> None:
    """Show the links between regions; delay, cut or restore one, both directions unless --one-way."""
    if (cut and restore) or (name is None and (cut or restore or one_way or delay_ms is not None)):
        raise typer.BadParameter("name the link, and either --cut or --restore it")
    try:
        platform = open_platform()
        state = ask(
            platform.catalogue.address(GLOBAL, "links"),
            _request(name, one_way=one_way, delay_ms=delay_ms, cut=cut, restore=restore),
        )
    except _EXPECTED as error:
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(state, indent=2))
        return
    for direction, one in state["directions"].items():
        passing = "cut" if one["is_cut"] else f"{one['delay_ms']:g} ms"
        delivered = f"{one['delivered_bytes'] / 2**20:.1f} MiB delivered"
        console.print(f"{direction:<8} {passing:<10} {delivered}", highlight=False)


def _request(
    name: str | None, *, one_way: bool, delay_ms: float | None, cut: bool, restore: bool
) -> dict[str, Any]:
    if name is None:
        return {}
    source, separator, target = name.partition("-")
    if not separator:
        raise LinkError(f"a link is named by two regions, such as eu-us, not {name!r}")
    request: dict[str, Any] = {"directions": [name] if one_way else [name, f"{target}-{source}"]}
    if restore:
        request |= {"is_cut": False, "delay_ms": 0}
    if cut:
        request["is_cut"] = True
    if delay_ms is not None:
        request["delay_ms"] = delay_ms
    return request
