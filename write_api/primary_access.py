"""How an operator's command changes something on the primary: `frontrow auth ...` and the like."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
import typer
from psycopg.rows import dict_row

from service_kit.database import Connection, connection_url

REFUSED = 1
UNREACHABLE = 2
_STATEMENT_SECONDS = 15

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class PrimaryAccess:
    """The libpq URL of the primary as the role that writes, its region, and the 32 bytes that seal keys."""

    database_url: str = field(repr=False)
    sealing_key: bytes = field(repr=False)
    region: str


async def with_primary(
    access: PrimaryAccess, work: Callable[[Connection], Awaitable[_Result]], *, command: str
) -> _Result:
    """Runs `work` on a connection whose commits wait for the quorum, where there is one.

    What an operator was told is done must not be lost with a region. `work` locks only what few wait for:
    what operators alone change, or one person. Ends the command with UNREACHABLE where it can't be asked.
    """
    url = connection_url(
        access.database_url,
        application_name=f"frontrow-{command}-command",
        session_settings={"synchronous_commit": "on", "statement_timeout": f"{_STATEMENT_SECONDS}s"},
    )
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, row_factory=dict_row
        ) as connection:
            return await work(connection)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())[:300]
        typer.echo(f"The primary can't be asked now: {type(error).__name__}: {reason}", err=True)
        raise typer.Exit(UNREACHABLE) from None
