"""`frontrow demo`: an account to try things with, and events of our own to find."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.demo_events.generator import demo_events
from cli.frontrow_api import Account, ApiError, FrontrowApi
from cli.import_events import DEMO_EMAIL, DEMO_PASSWORD, EXIT_COULD_NOT_RUN, EXIT_SOME_REFUSED
from cli.importing.event_lines import EventLine
from cli.importing.ledger import ImportLedger
from cli.importing.upload import upload
from cli.local_platform import GatewayUrl, local_front_door

DEFAULT_COUNT = 300
DEFAULT_SEED = 1

app = typer.Typer(rich_markup_mode=None)


@app.command(name="demo")
def demo_command(
    url: GatewayUrl,
    count: Annotated[int, typer.Option(min=0, max=100_000, help="How many events.")] = DEFAULT_COUNT,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other events.")] = DEFAULT_SEED,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Make the demo account (test@example.com, correctpassword) and demo events.

    Running it again with the same seed makes nothing twice. Exit code: 0 all are in, 1 some were refused,
    2 it could not run.
    """
    ledger = ImportLedger(sys.stderr.write)
    start = time.monotonic()
    try:
        is_new_account = asyncio.run(_load(url, ledger, seed=seed, count=count))
    except ApiError as error:
        sys.stderr.write(f"frontrow demo: {error}\n")
        raise typer.Exit(EXIT_COULD_NOT_RUN) from None
    seconds = time.monotonic() - start
    if as_json:
        summary = json.loads(ledger.as_json(seconds=seconds, complete=True))
        sys.stdout.write(
            json.dumps({**summary, "account": DEMO_EMAIL, "account_created": is_new_account}) + "\n"
        )
    else:
        account = "made" if is_new_account else "was there"
        sys.stdout.write(
            f"Demo: account {DEMO_EMAIL} {account}; {ledger.created_count} events created, "
            f"{ledger.existing_count} already there, {ledger.refused_count} refused, in {seconds:.1f} s\n"
        )
    if ledger.refused_count:
        raise typer.Exit(EXIT_SOME_REFUSED)


async def _load(url: str, ledger: ImportLedger, *, seed: int, count: int) -> bool:
    """Makes the account and the events; True where the account is new. Raises ApiError.

    Nobody reads the demo account's mail: on the platform of this machine its e-mail is confirmed as an
    operator does it. Elsewhere somebody has to (`frontrow accounts confirm`).
    """
    async with FrontrowApi(url, Account(DEMO_EMAIL, DEMO_PASSWORD)) as api:
        is_new = not await api.has_account()
        if is_new:
            await api.sign_up(display_name="Demo", roles=["customer", "host"])
        if url.rstrip("/") == local_front_door():
            await asyncio.to_thread(_confirm)
        await api.log_in()
        await upload(_lines(seed=seed, count=count), api, ledger)
        return is_new


def _confirm() -> None:
    from cli.local_primary import local_primary  # noqa: PLC0415 - a second that other commands need not wait
    from write_api.accounts.commands import confirm_account  # noqa: PLC0415

    confirm_account(local_primary(), DEMO_EMAIL)


def _lines(*, seed: int, count: int) -> Iterator[EventLine]:
    for number, event in enumerate(
        demo_events(seed=seed, count=count, today=datetime.now(UTC).date()), start=1
    ):
        types = event.get("ticket_types") or [{"capacity": event["available_seats"]}]
        body = json.dumps(event, ensure_ascii=False).encode("utf-8")
        yield EventLine(number, body, sum(one["capacity"] for one in types))
