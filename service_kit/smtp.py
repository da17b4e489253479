"""Hands a mail to the mail server, within a bounded time."""

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPRecipientsRefused, SMTPResponseException

SEND_SECONDS = 30.0
OPERATION_SECONDS = 10.0
_DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


class MailNotTakenError(Exception):
    """The server did not take the mail. `is_final` where it never will: it refuses this recipient or mail."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


class Transport(Protocol):
    """What mails are handed to."""

    async def send(self, message: EmailMessage) -> None:
        """Returns once the server has taken the mail. Raises MailNotTakenError."""
        ...


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server. Credentials go over TLS alone: `smtps`, or `smtp` that is turned into TLS (STARTTLS)."""

    host: str
    port: int
    is_tls: bool
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of `smtp://host:port` or `smtps://user:password@host`. Raises ValueError, without its text."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be smtp://host:port or smtps://host:port")
        return cls(
            parts.hostname,
            parts.port or _DEFAULT_PORTS[parts.scheme],
            parts.scheme == "smtps",
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )

    async def send(self, message: EmailMessage) -> None:
        """Returns once the server has taken the mail. Raises MailNotTakenError."""
        client = SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.is_tls,
            start_tls=False if self.is_tls else True if self.username else None,
            local_hostname="frontrow",
            timeout=OPERATION_SECONDS,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS), client:
                await client.send_message(message)
        except SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise MailNotTakenError(f"recipient refused: {codes}", is_final=min(codes) >= 500) from None
        except SMTPResponseException as error:
            raise MailNotTakenError(f"{type(error).__name__} {error.code}", is_final=False) from None
        except (SMTPException, OSError, TimeoutError) as error:
            raise MailNotTakenError(type(error).__name__, is_final=False) from None
        except ValueError as error:
            raise MailNotTakenError(f"{type(error).__name__}: not a mail for SMTP", is_final=True) from None
