"""Groups of commands that are imported when they are asked for: the clients that they need take a second."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup


def lazy_commands(name: str, description: str, load: Callable[[], typer.Typer]) -> typer.Typer:
    """A group that answers for `load`'s commands, and calls it only when one of them is needed."""

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(self._loaded().list_commands(ctx))

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return self._loaded().get_command(ctx, cmd_name)

        def _loaded(self) -> Any:
            return typer.main.get_command(load())

    group = typer.Typer(name=name, cls=Group, help=description, no_args_is_help=True, rich_markup_mode=None)

    @group.callback(help=description)
    def accept_commands() -> None: ...

    return group
