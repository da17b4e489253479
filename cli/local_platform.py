"""What commands need to know of the platform on this machine: its address, and its processes' settings."""

from typing import Annotated

import typer

from indexer.settings import IndexerSettings
from regions.local.assembly import open_platform


def local_front_door() -> str:
    """The address at which people reach the platform on this machine, be it up or not."""
    return f"http://{open_platform().catalogue.front_door}"


GatewayUrl = Annotated[
    str,
    typer.Option(
        envvar="FRONTROW_URL",
        default_factory=local_front_door,
        show_default="the platform on this machine",
        help="The gateway's address.",
    ),
]
"""The option by which a command is told which platform to talk to."""


def local_indexer_settings(region: str) -> IndexerSettings:
    """The indexer's settings in a region of this machine. Ends the command where there is none such."""
    for component in open_platform().components():
        if (component.site.region, component.name) == (region, "indexer"):
            prefix = "FRONTROW_"
            return IndexerSettings.model_validate(
                {
                    name.removeprefix(prefix).lower(): value
                    for name, value in component.environment().items()
                    if name.startswith(prefix)
                }
            )
    typer.echo(f"Region {region} does not run on this machine; `frontrow status` shows what does.", err=True)
    raise typer.Exit(2)
