"""The mails that we write. Nothing in them was written by a stranger: an account may be anybody's idea.

So no name and no other text of an account is in a mail: whoever signs somebody else up can't say anything
through us. Lines are ours, headers are made by `email`, which refuses line breaks in them.
"""

import email.policy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from mini_auth.guest_links import GuestLinkDesk
from write_api.account_links import AccountLinks
from write_api.notices import Parameters, Recipient

ACCOUNT_PAGE = "account.html"


class LetterError(ValueError):
    """The mail can't be written: an unknown template, or an address that mail can't carry."""


@dataclass(frozen=True, slots=True)
class _Letter:
    subject: str
    text: str


class LetterWriter:
    """Writes mails from `sender`, with links to `public_url` that are signed when the mail is written."""

    def __init__(
        self, links: AccountLinks, guest_links: GuestLinkDesk, *, sender: str, public_url: str
    ) -> None:
        self._links = links
        self._guest_links = guest_links
        self.sender = sender
        self._public_url = public_url.rstrip("/")
        self._templates: Mapping[str, Callable[[Recipient, datetime], _Letter]] = {
            "confirm_email": self._confirm_email,
            "account_exists": self._account_exists,
            "password_reset": self._password_reset,
            "password_changed": self._password_changed,
            "guest_link": self._guest_link,
        }

    def write(
        self,
        template: str,
        recipient: Recipient,
        *,
        notification_id: int,
        created_at: datetime,
        parameters: Parameters | None = None,
    ) -> EmailMessage:
        """The mail of a notification, under the same Message-ID each time. Raises LetterError."""
        now = datetime.now(UTC)
        if template == "waitlist_offer":
            letter = self._waitlist_offer(parameters or {}, now)
        elif template in self._templates:
            letter = self._templates[template](recipient, now)
        else:
            raise LetterError(f"there is no template {template}")
        is_ascii = recipient.email.rpartition("@")[0].isascii()
        message = EmailMessage(policy=email.policy.SMTP.clone(utf8=not is_ascii))
        domain = self.sender.rpartition("@")[2]
        try:
            message["From"] = Address("Frontrow", addr_spec=self.sender)
            message["To"] = _address(recipient.email)
        except (ValueError, IndexError, email.errors.MessageError):
            raise LetterError("mail can't carry this address") from None
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<notification.{notification_id}.{created_at.timestamp():.0f}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(letter.text)
        return message

    def _confirm_email(self, recipient: Recipient, now: datetime) -> _Letter:
        if recipient.is_confirmed:
            return _Letter(
                "Your e-mail for Frontrow is confirmed",
                f"There is nothing to do. Log in at {self._public_url}\n",
            )
        link = self._account_link("confirm-email", self._links.confirmation(recipient.person_id, now=now))
        return _Letter(
            "Confirm your e-mail for Frontrow",
            "Somebody signed up at Frontrow with this e-mail. If it was you, confirm it within three\n"
            "days:\n\n"
            f"{link}\n\n"
            "If it was not you, do nothing: without this link, the account can't host events.\n",
        )

    def _account_exists(self, recipient: Recipient, now: datetime) -> _Letter:
        return _Letter(
            "You have an account at Frontrow",
            "Somebody, maybe you, signed up at Frontrow with this e-mail, which has an account already.\n"
            "It was left as it is. Log in with its password, or set a new one within an hour:\n\n"
            f"{self._reset_link(recipient, now)}\n\n"
            "If it was not you, there is nothing to do.\n",
        )

    def _password_reset(self, recipient: Recipient, now: datetime) -> _Letter:
        return _Letter(
            "Set a new password for Frontrow",
            "Somebody, maybe you, asked for a new password for your account at Frontrow. Set it within\n"
            "an hour:\n\n"
            f"{self._reset_link(recipient, now)}\n\n"
            "If it was not you, there is nothing to do: your password stays as it is.\n",
        )

    def _password_changed(self, recipient: Recipient, now: datetime) -> _Letter:  # noqa: ARG002 - as the others
        return _Letter(
            "Your password for Frontrow was changed",
            "The password of your account at Frontrow was changed, and all other devices were logged out.\n\n"
            "If it was not you, ask for a new password at once:\n\n"
            f"{self._public_url}/{ACCOUNT_PAGE}#forgotten-password\n",
        )

    def _guest_link(self, recipient: Recipient, now: datetime) -> _Letter:
        code, _ = self._guest_links.write(recipient.person_id, now=now)
        return _Letter(
            "Your bookings at Frontrow",
            "Somebody books at Frontrow as a guest, with this e-mail. If it is you, this is the way to your\n"
            "bookings; whoever has it can change them:\n\n"
            f"{self._link('#guest', code)}\n\n"
            "If it is not you, there is nothing to do.\n",
        )

    def _waitlist_offer(self, parameters: Parameters, now: datetime) -> _Letter:
        try:
            booking_id = int(parameters["booking_id"])
            expires_at = datetime.fromisoformat(str(parameters["expires_at"])).astimezone(UTC)
        except (KeyError, ValueError):
            raise LetterError("the offer names no booking, or no time") from None
        until = f"{expires_at:%Y-%m-%d %H:%M:%S} UTC"
        if now >= expires_at:
            return _Letter(
                "Seats were held for you at Frontrow",
                f"Seats that you wait for came free and were held for you until {until}, as booking\n"
                f"{booking_id}. That has passed: if you did not confirm it, they went to the next. You can\n"
                f"join the waitlist again at {self._public_url}\n",
            )
        return _Letter(
            "Seats are held for you at Frontrow",
            f"Seats that you wait for came free. They are held for you until\n\n    {until}\n\n"
            f"as booking {booking_id}. Confirm it before then at {self._public_url}\n\n"
            "If you don't want them any more, cancel the booking, or do nothing: then they go to the next.\n",
        )

    def _reset_link(self, recipient: Recipient, now: datetime) -> str:
        code = self._links.reset(recipient.person_id, recipient.password_version, now=now)
        return self._account_link("reset-password", code)

    def _account_link(self, name: str, code: str) -> str:
        return self._link(f"{ACCOUNT_PAGE}#{name}", code)

    def _link(self, place: str, code: str) -> str:
        """The code stands in the fragment, which no browser sends to any server or as a referrer."""
        return f"{self._public_url}/{place}={code}"


def _address(address: str) -> Address:
    """The address as mail carries it: a domain in its ASCII form. Raises ValueError and errors of `email`."""
    local_part, _, domain = address.rpartition("@")
    return Address(username=local_part, domain=domain.encode("idna").decode("ascii"))
