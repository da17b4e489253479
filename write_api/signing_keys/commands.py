"""`frontrow auth ...`: what an operator does with the keys that sign tokens.

Exit codes: 0 done, 1 refused (it is said why, and nothing has changed), 2 the primary can't be reached.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated

import psycopg
import typer
from psycopg.rows import dict_row

from service_kit.database import Connection, connection_url
from write_api.signing_keys.service import TooSoonError, UnknownKeyError, rotate_keys
from write_api.signing_keys.store import KeyAge, SigningKeyStore

REFUSED = 1
UNREACHABLE = 2
_STATEMENT_SECONDS = 15

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
CompromisedOption = Annotated[
    str | None,
    typer.Option(
        "--compromised",
        metavar="KEY_ID",
        help="Remove this key: all tokens that it signed are refused in every region within two seconds.",
    ),
]


@dataclass(frozen=True, slots=True)
class PrimaryAccess:
    """The libpq URL of the primary as the role that writes, and the 32 bytes that seal private keys."""

    database_url: str = field(repr=False)
    sealing_key: bytes = field(repr=False)


def auth_commands(access: Callable[[], PrimaryAccess]) -> typer.Typer:
    """The commands; `access` tells how to reach the primary."""
    app = typer.Typer(
        name="auth", help="The keys that sign tokens.", no_args_is_help=True, rich_markup_mode=None
    )

    @app.command(epilog="Example: frontrow auth keys")
    def keys(as_json: JsonOption = False) -> None:
        """Show which key signs, which comes next, and which are kept until their tokens are dead."""
        _print(asyncio.run(_with_primary(access(), _show)), as_json=as_json)

    @app.command("rotate-keys", epilog="Example: frontrow auth rotate-keys --compromised zfFB2Ys8vWLQ")
    def rotate(compromised: CompromisedOption = None, as_json: JsonOption = False) -> None:
        """Let the next key sign from now on. Tokens of the key before stay good until they expire.

        The keys rotate by themselves every 30 days. Whoever must log in again after --compromised is told so.
        """

        async def work(connection: Connection, sealing_key: bytes) -> list[KeyAge]:
            return await _rotate(connection, sealing_key, compromised)

        _print(asyncio.run(_with_primary(access(), work)), as_json=as_json)

    return app


async def _rotate(connection: Connection, sealing_key: bytes, compromised: str | None) -> list[KeyAge]:
    try:
        return await rotate_keys(connection, SigningKeyStore(), sealing_key, compromised=compromised)
    except (TooSoonError, UnknownKeyError) as error:
        typer.echo(f"{error} Nothing was changed.", err=True)
        raise typer.Exit(REFUSED) from None


async def _show(connection: Connection, sealing_key: bytes) -> list[KeyAge]:  # noqa: ARG001 - as `_rotate`
    return await SigningKeyStore().ages(connection)


async def _with_primary(
    access: PrimaryAccess, work: Callable[[Connection, bytes], Awaitable[list[KeyAge]]]
) -> list[KeyAge]:
    """Runs `work` on a connection whose commits wait for the quorum, where there is one.

    A key that signs must not be lost with a region. Only other rotations queue for what is locked meanwhile.
    """
    url = connection_url(
        access.database_url,
        application_name="frontrow-auth-command",
        session_settings={"synchronous_commit": "on", "statement_timeout": f"{_STATEMENT_SECONDS}s"},
    )
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, row_factory=dict_row
        ) as connection:
            return await work(connection, access.sealing_key)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())[:300]
        typer.echo(f"The primary can't be asked now: {type(error).__name__}: {reason}", err=True)
        raise typer.Exit(UNREACHABLE) from None


def _print(keys: Sequence[KeyAge], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"keys": [asdict(key) for key in keys]}))
        return
    for key in keys:
        since = "" if key.signing_seconds is None else f", began to sign {key.signing_seconds:.0f} s ago"
        typer.echo(f"{key.state:9} {key.key_id}  published {key.known_seconds:.0f} s ago{since}")
