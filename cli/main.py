"""The one command, `frontrow`: joins the commands of all parts."""

import typer

from cli.demo import app as demo_command
from cli.import_events import app as import_command
from cli.lazy_commands import lazy_commands
from cli.local_platform import local_indexer_settings
from regions.local.commands import app as platform_commands
from regions.local.link_commands import app as regions_commands

app = typer.Typer(
    name="frontrow",
    help="Frontrow: search events in the region nearest to you, and book seats that are never sold twice.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # a local variable may hold a password
)


def _index_commands() -> typer.Typer:
    from indexer.commands import indexer_commands  # noqa: PLC0415

    return indexer_commands(local_indexer_settings)


def _auth_commands() -> typer.Typer:
    from cli.local_primary import local_primary  # noqa: PLC0415
    from write_api.signing_keys.commands import auth_commands  # noqa: PLC0415

    return auth_commands(local_primary)


def _account_commands() -> typer.Typer:
    from cli.local_primary import local_primary  # noqa: PLC0415
    from write_api.accounts.commands import account_commands  # noqa: PLC0415

    return account_commands(local_primary)


app.add_typer(platform_commands)
app.add_typer(regions_commands, name="regions")
app.add_typer(import_command)
app.add_typer(demo_command)
app.add_typer(lazy_commands("indexer", "The search index of a region.", _index_commands))
app.add_typer(lazy_commands("auth", "The keys that sign tokens.", _auth_commands))
app.add_typer(lazy_commands("accounts", "People's accounts.", _account_commands))


def main() -> None:
    """Run the command line."""
    app()
