"""What write_api refuses to be started with."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from write_api.settings import WriteApiSettings

GOOD = {
    "region": "eu",
    "listen": "127.0.0.1:21600",
    "reader_database": "postgresql://reader",
    "main_database": "postgresql://main",
    "key_sealing_key": base64.b64encode(bytes(range(32))).decode(),
    "consistency_key": base64.b64encode(bytes(range(32, 64))).decode(),
    "link_key": base64.b64encode(bytes(range(64, 96))).decode(),
}


def test_the_sealing_key_is_read_and_never_shown() -> None:
    settings = WriteApiSettings(**GOOD)
    assert settings.key_sealing_bytes == bytes(range(32))
    assert GOOD["key_sealing_key"] not in repr(settings)
    assert GOOD["consistency_key"] not in repr(settings)
    assert GOOD["link_key"] not in repr(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"key_sealing_key": "short"},
        {"key_sealing_key": base64.b64encode(b"16 bytes of key.").decode()},
        {"key_sealing_key": "!" * 44},
        {"consistency_key": base64.b64encode(b"16 bytes of key.").decode()},
        {"link_key": base64.b64encode(b"16 bytes of key.").decode()},
        {"durability": "none"},
        {"durability": "quorum"},
        {"durability": "quorum", "quorum_members": ["us"], "quorum_required": 2},
        {"durability": "quorum", "quorum_members": ["us", "us"], "quorum_required": 2},
        {"hold_seconds": 0},
        {"answer_wait_seconds": 0},
    ],
)
def test_what_would_promise_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        WriteApiSettings(**{**GOOD, **changes})
    for key in ("key_sealing_key", "consistency_key", "link_key"):
        assert str(changes.get(key, "no secret here")) not in str(refusal.value)
