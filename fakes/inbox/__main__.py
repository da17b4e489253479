"""Runs the inbox: `python -m fakes.inbox --smtp 127.0.0.1:20025 --http 127.0.0.1:20026`."""

import argparse
import asyncio

import uvicorn

from fakes.inbox.mails import Mailbox
from fakes.inbox.pages import pages
from fakes.inbox.smtp import smtp_session


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _serve(smtp: tuple[str, int], http: tuple[str, int]) -> None:
    """Takes and shows mails until told to end."""
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: smtp_session(mailbox), *smtp)
    async with server:
        host, port = http
        await uvicorn.Server(
            uvicorn.Config(
                pages(mailbox), host=host, port=port, access_log=False, log_level="warning", lifespan="off"
            )
        ).serve()


def main() -> None:
    """Reads the addresses and serves."""
    parser = argparse.ArgumentParser(prog="fakes.inbox", description=__doc__)
    parser.add_argument("--smtp", type=_address, required=True, help="Where mails are taken, as host:port.")
    parser.add_argument("--http", type=_address, required=True, help="Where they are shown, as host:port.")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.smtp, arguments.http))


if __name__ == "__main__":
    main()
