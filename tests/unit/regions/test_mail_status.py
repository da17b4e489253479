"""`frontrow status` tells of mails that don't go out, and is silent where they do."""

from typing import Any

import pytest

from regions.local.mail_status import mail_status, mail_words


def told(**mail: Any) -> str:
    return mail_words(mail_status({"writer": True, "mail": mail}))


@pytest.mark.parametrize(
    ("sends", "queued", "oldest", "words"),
    [
        (True, 0, 0, ""),
        (True, 40, 2, ""),
        (True, 3, 90, "3 mails wait, the oldest for 90 s"),
        (False, 7, 1, "NO mails are sent, 7 wait: no mail server is set"),
    ],
)
def test_what_a_person_should_know(sends: bool, queued: int, oldest: int, words: str) -> None:
    assert told(sends=sends, queued=queued, oldest_queued_seconds=oldest) == words


@pytest.mark.parametrize(
    "health", [{}, {"writer": False, "mail": {}}, {"writer": True}, {"writer": True, "mail": 1}]
)
def test_who_is_no_writer_says_nothing(health: dict[str, Any]) -> None:
    assert mail_words(mail_status(health)) == ""
