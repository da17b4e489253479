"""The mails that the server was given, the last ones only, in memory."""

import email
import email.policy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_MAILS = 500
MAX_MAIL_BYTES = 256 * 1024


@dataclass(frozen=True)
class Mail:
    """One mail as it was received."""

    number: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    text: str


class Mailbox:
    """Keeps the last `max_mails` mails."""

    def __init__(self, max_mails: int = MAX_MAILS) -> None:
        self._mails: deque[Mail] = deque(maxlen=max_mails)
        self._count = 0

    def receive(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        """Keeps a mail, in place of the oldest where there are too many."""
        message = email.message_from_bytes(content, policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        self._count += 1
        self._mails.append(
            Mail(
                number=self._count,
                received_at=datetime.now(UTC),
                sender=sender,
                recipients=tuple(recipients),
                message_id=str(message["Message-ID"] or ""),
                subject=str(message["Subject"] or ""),
                text=body.get_content() if body is not None else "",
            )
        )

    def mails(self, recipient: str | None = None) -> list[Mail]:
        """The last first; to one recipient, compared without case, or to all."""
        wanted = recipient.casefold() if recipient else None
        return [
            mail
            for mail in reversed(self._mails)
            if wanted is None or wanted in {one.casefold() for one in mail.recipients}
        ]
