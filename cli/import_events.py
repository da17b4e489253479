"""`frontrow import`: events from a file of JSON lines into the platform, through its API."""

import asyncio
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer
from rich.console import Console

from cli.frontrow_api import Account, ApiError, FrontrowApi
from cli.importing.event_lines import Defaults, EventLine, RefusedLine, read_events
from cli.importing.ledger import ImportLedger, progress
from cli.importing.upload import upload
from cli.local_platform import GatewayUrl
from contracts.money import is_currency

DEMO_EMAIL = "test@example.com"
DEMO_PASSWORD = "correctpassword"  # noqa: S105 - published in the user's guide
PASSWORD_VARIABLE = "FRONTROW_PASSWORD"  # noqa: S105 - a name
EXIT_SOME_REFUSED = 1
EXIT_COULD_NOT_RUN = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

app = typer.Typer(rich_markup_mode=None)


def _known_currency(code: str) -> str:
    if not is_currency(code):
        raise typer.BadParameter("it must be a currency code of ISO 4217, such as EUR")
    return code


@app.command(name="import")
def import_command(  # noqa: PLR0917 - one parameter an option
    file: Annotated[Path, typer.Argument(help="JSON lines: our event bodies, or conferences of confs.tech.")],
    url: GatewayUrl,
    email: Annotated[
        str, typer.Option(help=f"The host's account; its password comes from {PASSWORD_VARIABLE}.")
    ] = DEMO_EMAIL,
    seats: Annotated[int, typer.Option(min=1, max=100_000, help="Seats of a conference.")] = 100,
    price: Annotated[float, typer.Option(min=0, help="Price of a conference's seat.")] = 0,
    currency: Annotated[
        str, typer.Option(callback=_known_currency, help="Currency of that price (ISO 4217).")
    ] = "USD",
    status: Annotated[
        Literal["active", "inactive"], typer.Option(help="Status of events that don't say theirs.")
    ] = "active",
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first lines only.")] = None,
    errors: Annotated[Path | None, typer.Option(help="Write refused lines here, not to stderr.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line, send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Import events from FILE, one JSON object a line.

    Running it again, also after an interruption, adds what is missing and makes nothing twice: each line is
    known by its digest. Exit code: 0 all lines are in, 1 some were refused, 2 it could not run.
    """
    defaults = Defaults(seats=seats, price=price, currency=currency, status=status)
    start = time.monotonic()
    try:
        with _opened(file) as lines, _refusal_writer(errors) as write_refusal:
            ledger = ImportLedger(write_refusal)
            items = read_events(lines, defaults, limit=limit, check=dry_run)
            interrupted = _run(items, ledger, lines, None if dry_run else (url, account_of(email)))
    except ApiError as error:
        raise _could_not_run(str(error)) from None
    except OSError as error:
        raise _could_not_run(f"reading or writing failed: {error.strerror}") from None
    seconds = time.monotonic() - start
    if as_json:
        sys.stdout.write(ledger.as_json(seconds=seconds, complete=interrupted is None) + "\n")
    else:
        sys.stdout.write(ledger.in_words(seconds=seconds) + "\n")
    if interrupted is not None:
        sys.stderr.write(f"{interrupted}\nRun the same command again to go on; nothing is made twice.\n")
        raise typer.Exit(EXIT_INTERRUPTED if interrupted == "Interrupted." else EXIT_COULD_NOT_RUN)
    if ledger.refused_count:
        raise typer.Exit(EXIT_SOME_REFUSED)


def account_of(email: str) -> Account:
    """The account to use: password from the environment, known for the demo's, else asked for.

    Raises ApiError where it can't be asked for.
    """
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None and email == DEMO_EMAIL:
        password = DEMO_PASSWORD
    if password is None:
        if not sys.stdin.isatty():
            raise ApiError(f"there is no password for {email}: set {PASSWORD_VARIABLE}")
        password = str(typer.prompt(f"Password of {email}", hide_input=True, err=True))
    return Account(email, password)


def _run(
    items: Iterator[EventLine | RefusedLine],
    ledger: ImportLedger,
    lines: BinaryIO,
    target: tuple[str, Account] | None,
) -> str | None:
    """Takes all items to `target`, or only checks them; answers why it stopped early, or None.

    Raises ApiError where not even the login worked.
    """
    mode = os.fstat(lines.fileno())
    total_bytes = mode.st_size if stat.S_ISREG(mode.st_mode) else None
    position = lines.tell if total_bytes is not None else lambda: 0
    with progress(ledger, Console(stderr=True), total_bytes=total_bytes, position=position):
        try:
            if target is None:
                _check(items, ledger)
            else:
                asyncio.run(_send(items, ledger, *target))
        except KeyboardInterrupt:
            return "Interrupted."
        except ApiError as error:
            if ledger.lines == 0:
                raise
            return f"Stopped: {error}"
    return None


def _check(items: Iterator[EventLine | RefusedLine], ledger: ImportLedger) -> None:
    for item in items:
        if isinstance(item, RefusedLine):
            ledger.refused(item.number, item.reason)
        else:
            ledger.checked()


async def _send(
    items: Iterator[EventLine | RefusedLine], ledger: ImportLedger, url: str, host: Account
) -> None:
    async with FrontrowApi(url, host) as api:
        await api.log_in()
        await upload(items, api, ledger)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        opened = file.open("rb")
    except OSError as error:
        raise _could_not_run(f"{file} can't be read: {error.strerror}") from None
    with opened:
        yield opened


@contextmanager
def _refusal_writer(errors: Path | None) -> Iterator[Callable[[str], object]]:
    """Writes to the file line by line; or to stderr as it is then, since a progress bar takes it over."""
    if errors is None:
        yield _write_to_stderr
        return
    try:
        opened = errors.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise _could_not_run(f"{errors} can't be written: {error.strerror}") from None
    with opened:
        yield opened.write


def _write_to_stderr(text: str) -> None:
    sys.stderr.write(text)


def _could_not_run(message: str) -> typer.Exit:
    sys.stderr.write(f"frontrow import: {message}\n")
    return typer.Exit(EXIT_COULD_NOT_RUN)
