"""What the writer says of the mails that it sends."""

from collections.abc import Mapping
from dataclasses import dataclass

LATE_SECONDS = 30
"""Mails go out within a second or two; what waits for so long waits for something."""


@dataclass(frozen=True)
class MailStatus:
    """Whether mails are sent, how many wait (counted up to 1,000), and for how long the oldest."""

    sends: bool
    queued: int
    oldest_queued_seconds: int


def mail_status(health: Mapping[str, object]) -> MailStatus | None:
    """Read it from the health of a write_api; None where that is no writer, or tells nothing of mails."""
    mail = health.get("mail")
    if health.get("writer") is not True or not isinstance(mail, Mapping):
        return None
    queued, oldest = mail.get("queued"), mail.get("oldest_queued_seconds")
    if not isinstance(queued, int) or not isinstance(oldest, int):
        return None
    return MailStatus(mail.get("sends") is True, queued, oldest)


def mail_words(mail: MailStatus | None) -> str:
    """Say what a person should know: nothing where mails go out."""
    if mail is None:
        return ""
    if not mail.sends:
        return f"NO mails are sent, {mail.queued} wait: no mail server is set"
    if mail.oldest_queued_seconds > LATE_SECONDS:
        return f"{mail.queued} mails wait, the oldest for {mail.oldest_queued_seconds} s"
    return ""
