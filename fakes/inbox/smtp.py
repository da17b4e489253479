"""The side that takes mails, by SMTP."""

from aiosmtpd.smtp import SMTP, Envelope, Session

from fakes.inbox.mails import MAX_MAIL_BYTES, Mailbox

REFUSED_DOMAIN = "@refused.example"
"""Recipients there don't exist, so that senders can see a refusal."""


class _Handler:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802, PLR6301, RUF100 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address.casefold().endswith(REFUSED_DOMAIN):
            return "550 There is nobody of this name"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self._mailbox.receive(envelope.mail_from or "", envelope.rcpt_tos, content)
        return "250 OK"


def smtp_session(mailbox: Mailbox) -> SMTP:
    """The protocol of one connection."""
    return SMTP(_Handler(mailbox), data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, hostname="inbox")
