"""`frontrow auth ...`: what an operator does with the keys that sign tokens.

Exit codes: 0 done, 1 refused (it is said why, and nothing has changed), 2 the primary can't be reached.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from service_kit.database import Connection
from write_api.audit_log import OPERATOR, AuditLog
from write_api.primary_access import REFUSED, PrimaryAccess, with_primary
from write_api.signing_keys.service import TooSoonError, UnknownKeyError, rotate_keys
from write_api.signing_keys.store import KeyAge, SigningKeyStore

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
CompromisedOption = Annotated[
    str | None,
    typer.Option(
        "--compromised",
        metavar="KEY_ID",
        help="Remove this key: all tokens that it signed are refused in every region within two seconds.",
    ),
]


def auth_commands(access: Callable[[], PrimaryAccess]) -> typer.Typer:
    """The commands; `access` tells how to reach the primary."""
    app = typer.Typer(
        name="auth", help="The keys that sign tokens.", no_args_is_help=True, rich_markup_mode=None
    )

    @app.command(epilog="Example: frontrow auth keys")
    def keys(as_json: JsonOption = False) -> None:
        """Show which key signs, which comes next, and which are kept until their tokens are dead."""
        _print(asyncio.run(with_primary(access(), _show, command="auth")), as_json=as_json)

    @app.command("rotate-keys", epilog="Example: frontrow auth rotate-keys --compromised zfFB2Ys8vWLQ")
    def rotate(compromised: CompromisedOption = None, as_json: JsonOption = False) -> None:
        """Let the next key sign from now on. Tokens of the key before stay good until they expire.

        The keys rotate by themselves every 30 days. Whoever must log in again after --compromised is told so.
        """
        primary = access()

        async def work(connection: Connection) -> list[KeyAge]:
            return await _rotate(primary, connection, compromised)

        _print(asyncio.run(with_primary(primary, work, command="auth")), as_json=as_json)

    return app


async def _show(connection: Connection) -> list[KeyAge]:
    return await SigningKeyStore().ages(connection)


async def _rotate(access: PrimaryAccess, connection: Connection, compromised: str | None) -> list[KeyAge]:
    try:
        return await rotate_keys(
            connection,
            SigningKeyStore(),
            access.sealing_key,
            AuditLog(access.region),
            actor=OPERATOR,
            compromised=compromised,
        )
    except (TooSoonError, UnknownKeyError) as error:
        typer.echo(f"{error} Nothing was changed.", err=True)
        raise typer.Exit(REFUSED) from None


def _print(keys: Sequence[KeyAge], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"keys": [asdict(key) for key in keys]}))
        return
    for key in keys:
        since = "" if key.signing_seconds is None else f", began to sign {key.signing_seconds:.0f} s ago"
        typer.echo(f"{key.state:9} {key.key_id}  published {key.known_seconds:.0f} s ago{since}")
