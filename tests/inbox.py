"""The fake inbox as a process of a test's own, and what is found in any inbox."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.people import wait_for

CHECKOUT = Path(__file__).resolve().parents[1]
_CODE = re.compile(r"#[a-z-]+=([A-Za-z0-9_-]+)")


class Inbox:
    """An inbox that shows its mails at `http`, as host:port."""

    def __init__(self, http: str) -> None:
        self._url = f"http://{http}"

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/health/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def mails(self, recipient: str) -> list[dict[str, Any]]:
        """What somebody was sent, the last first."""
        answer = httpx.get(f"{self._url}/mails", params={"recipient": recipient}, timeout=5)
        return list(answer.raise_for_status().json()["mails"])

    def mail(self, recipient: str, about: str) -> dict[str, Any]:
        """The last mail to somebody whose subject has these words, once it is there."""
        return wait_for(
            f"a mail to {recipient} about {about!r}",
            lambda: next((one for one in self.mails(recipient) if about in one["subject"]), None),
        )

    def code(self, recipient: str, about: str) -> str:
        """The code in the link of that mail."""
        found = _CODE.search(self.mail(recipient, about)["text"])
        assert found, "the mail has no link"
        return found[1]


class InboxProcess(Inbox):
    """The process `python -m fakes.inbox` on free ports; it can end and come back on the same ones."""

    def __init__(self) -> None:
        self.smtp, self.http = _free_address(), _free_address()
        super().__init__(self.http)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def smtp_url(self) -> str:
        return f"smtp://{self.smtp}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fakes.inbox", "--smtp", self.smtp, "--http", self.http], cwd=CHECKOUT
        )
        wait_for("the inbox is ready", self.is_ready)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None


@contextmanager
def running_inbox() -> Iterator[InboxProcess]:
    """An inbox that has started, and is gone when the block ends."""
    inbox = InboxProcess()
    try:
        inbox.start()
        yield inbox
    finally:
        inbox.stop()


def _free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"
