"""What is in mails, and what can't get into them."""

import email.policy
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_auth.guest_links import GuestLinkDesk, GuestLinkVerifier
from service_kit.smtp import SmtpServer
from tests.tokens import Known
from write_api.account_links import AccountLinks
from write_api.notices import Recipient
from write_api.notifications.letters import LetterError, LetterWriter

LINKS = AccountLinks(b"a secret")
GUEST_LINKS = GuestLinkDesk(b"a secret")
WRITER = LetterWriter(
    LINKS, GUEST_LINKS, sender="no-reply@frontrow.test", public_url="https://frontrow.test/"
)
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
TEMPLATES = ["confirm_email", "account_exists", "password_reset", "password_changed", "guest_link"]


def letter(template: str, address: str = "ann@example.com") -> bytes:
    recipient = Recipient(7, address, password_version=3, is_confirmed=False)
    return WRITER.write(template, recipient, notification_id=12, created_at=CREATED_AT).as_bytes()


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_letter_has_what_mail_programs_need(template: str) -> None:
    message = message_from_bytes(letter(template), policy=email.policy.default)
    assert message["From"] == "Frontrow <no-reply@frontrow.test>"
    assert message["To"] == "ann@example.com"
    assert message["Message-ID"] == f"<notification.12.{CREATED_AT.timestamp():.0f}@frontrow.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"]
    assert re.search(r"https://frontrow\.test/(account\.html)?#[a-z-]+", message.get_content())


def test_a_link_is_for_its_recipient_and_the_password_of_now() -> None:
    now = datetime.now(UTC)
    for template in ("account_exists", "password_reset"):
        link = LINKS.read_reset(code(template), now=now)
        assert (link.subject, link.version) == (7, 3)
        assert 3500 < (link.expires_at - now).total_seconds() <= 3601
    assert LINKS.read_confirmation(code("confirm_email"), now=now) == 7


def offer_letter(seconds_left: int, **changes: str | int) -> str:
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds_left)
    parameters: dict[str, str | int] = {"booking_id": 51, "expires_at": expires_at.isoformat(), **changes}
    recipient = Recipient(7, "ann@example.com", password_version=3, is_confirmed=False)
    message = WRITER.write(
        "waitlist_offer", recipient, notification_id=12, created_at=CREATED_AT, parameters=parameters
    )
    return str(message.get_content())


def test_an_offer_names_the_booking_and_its_deadline_and_does_not_call_to_confirm_what_has_lapsed() -> None:
    text = offer_letter(600, expires_at="2199-05-06T07:08:09+02:00")
    assert "booking 51" in text
    assert "2199-05-06 05:08:09 UTC" in text
    assert "Confirm it before then" in text
    late = offer_letter(-1)
    assert "has passed" in late
    assert "Confirm" not in late


@pytest.mark.parametrize("changes", [{"expires_at": "soon"}, {"booking_id": "x"}])
def test_an_offer_without_booking_or_deadline_is_not_written(changes: dict[str, str]) -> None:
    with pytest.raises(LetterError):
        offer_letter(600, **changes)


def test_a_guests_link_is_the_recipients_own() -> None:
    verifier = GuestLinkVerifier(Known(), b"a secret")
    assert verifier.verify(code("guest_link")).person_id == 7


def code(template: str) -> str:
    text = message_from_bytes(letter(template), policy=email.policy.default).get_content()
    return str(text.partition("=")[2].split()[0])


@given(
    st.text(max_size=20),
    st.sampled_from(["\r\n", "\n", "\r", "\r\nBcc: x@y.z", ", eve@example.com", " <eve@example.com>", "\0"]),
    st.text(max_size=20),
)
def test_no_address_adds_a_header_or_a_recipient(before: str, between: str, after: str) -> None:
    try:
        written = letter("password_changed", f"{before}{between}{after}@example.com")
    except LetterError:
        return
    message = message_from_bytes(written, policy=email.policy.default)
    assert set(message.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }
    assert len(message["To"].addresses) == 1


def test_an_address_outside_ascii_is_written_as_mail_writes_it() -> None:
    assert b"xn--bcher-kva.example" in letter("password_changed", "ann@b\u00fccher.example")
    assert "\u00e4nn@example.com".encode() in letter("password_changed", "\u00e4nn@example.com")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "frontrow",
        "http://mail:25",
        "smtp://",
        "smtp://mail:25/path",
        "smtp://mail:99999",
        "smtp://mail?x=1",
    ],
)
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be smtp|[Pp]ort"):
        SmtpServer.parse(url)


def test_credentials_are_read_and_not_shown() -> None:
    server = SmtpServer.parse("smtps://ann%40x:s%2Fecret@mail.example")
    assert (server.host, server.port, server.is_tls) == ("mail.example", 465, True)
    assert (server.username, server.password) == ("ann@x", "s/ecret")
    assert "ecret" not in repr(server)
