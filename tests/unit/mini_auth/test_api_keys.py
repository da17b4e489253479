"""API keys: which are good, for how long an answer is remembered, and that inventing keys loads nobody."""

import asyncio
import base64

import psycopg
import pytest

from contracts.api_keys import ApiKeyFormatError, new_api_key, read_api_key
from mini_auth.api_keys import (
    LOOKUP_TIMEOUT_SECONDS,
    MAX_LOOKUPS_AT_ONCE,
    MAX_LOOKUPS_WAITING,
    MAX_STRANGERS_PER_SECOND,
    REMEMBERED_SECONDS,
    ApiKeyRefusedError,
    ApiKeysUnavailableError,
)
from tests.api_keys import Shelf, with_another_secret


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def is_good(shelf: Shelf, text: str) -> bool:
    try:
        await shelf.keys.verify(text)
    except ApiKeyRefusedError:
        return False
    return True


def test_a_key_has_256_random_bits_and_shows_its_public_id_alone() -> None:
    keys = [new_api_key() for _ in range(100)]
    assert len({key.public_id for key in keys}) == len({key.secret for key in keys}) == 100
    for key in keys:
        assert len(base64.urlsafe_b64decode(key.secret + "=")) == 32
        assert read_api_key(key.text) == key
        assert key.text.startswith("frontrow_key_")
        assert key.secret not in repr(key)


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace("frontrow", "backrow"),
        lambda text: text[:-1] + "=",
        lambda text: text.replace("_key_", "_key__"),
        lambda text: text[:20] + "\u0661" + text[21:],
    ],
)
def test_a_key_has_one_spelling(alter: object) -> None:
    with pytest.raises(ApiKeyFormatError):
        read_api_key(alter(new_api_key().text))  # type: ignore[operator]


async def test_a_key_tells_its_person_with_roles_and_scopes(shelf: Shelf) -> None:
    text = shelf.make(person_id=8, roles=["customer", "host"], scopes=["events:write"])
    identity = await shelf.keys.verify(text)
    assert (identity.person_id, identity.roles, identity.scopes) == (
        8,
        {"customer", "host"},
        {"events:write"},
    )
    assert identity.session_id is None
    assert shelf.used == [read_api_key(text).public_id]


async def test_a_wrong_secret_is_refused_as_an_unknown_key_is(shelf: Shelf) -> None:
    text = shelf.make()
    refusals = set()
    for wrong in (with_another_secret(text), new_api_key().text):
        with pytest.raises(ApiKeyRefusedError) as refusal:
            await shelf.keys.verify(wrong)
        refusals.add(str(refusal.value))
        assert read_api_key(wrong).secret not in str(refusal.value)
    assert len(refusals) == 1
    assert shelf.used == []
    assert await is_good(shelf, text)


async def test_an_expired_key_is_refused_in_the_second_of_its_end(shelf: Shelf) -> None:
    text = shelf.make(lives_seconds=10)
    shelf.pass_time(9.9)
    assert await is_good(shelf, text)
    shelf.pass_time(0.1)
    assert not await is_good(shelf, text)


async def test_an_answer_is_remembered_for_a_second_and_no_longer(shelf: Shelf) -> None:
    text = shelf.make()
    for _ in range(5):
        assert await is_good(shelf, text)
    assert len(shelf.asked) == 1
    shelf.rows.clear()
    shelf.pass_time(REMEMBERED_SECONDS - 0.01)
    assert await is_good(shelf, text)
    shelf.pass_time(0.01)
    assert not await is_good(shelf, text)
    assert len(shelf.asked) == 2


async def test_a_refusal_is_remembered_for_a_second_too(shelf: Shelf) -> None:
    text = shelf.make()
    [row] = shelf.rows
    shelf.rows.clear()
    for _ in range(5):
        assert not await is_good(shelf, text)
    assert len(shelf.asked) == 1
    shelf.rows.append(row)
    shelf.pass_time(REMEMBERED_SECONDS)
    assert await is_good(shelf, text)


async def test_the_second_counts_from_the_question_not_from_the_answer(shelf: Shelf) -> None:
    """Otherwise a slow reader would let a revoked key live longer."""
    text = shelf.make()
    shelf.answers.clear()
    asking = asyncio.create_task(is_good(shelf, text))
    await shelf.asked_for(1)
    shelf.pass_time(0.9)
    shelf.answers.set()
    assert await asking
    shelf.rows.clear()
    shelf.pass_time(0.1)
    assert not await is_good(shelf, text)


async def test_those_who_ask_at_once_share_one_question_and_one_may_leave(shelf: Shelf) -> None:
    text = shelf.make()
    shelf.answers.clear()
    asking = [asyncio.create_task(is_good(shelf, text)) for _ in range(50)]
    await shelf.asked_for(1)
    asking[0].cancel()
    shelf.answers.set()
    assert all(await asyncio.gather(*asking[1:]))
    assert len(shelf.asked) == 1


async def test_wrong_secrets_of_a_known_key_cost_no_question(shelf: Shelf) -> None:
    text = shelf.make()
    assert await is_good(shelf, text)
    for _ in range(1000):
        assert not await is_good(shelf, with_another_secret(text))
    assert len(shelf.asked) == 1


async def test_invented_keys_ask_so_often_a_second_and_leave_known_keys_alone(shelf: Shelf) -> None:
    text = shelf.make()
    assert await is_good(shelf, text)
    shelf.pass_time(5)
    asked_before = len(shelf.asked)
    for _ in range(MAX_STRANGERS_PER_SECOND):
        assert not await is_good(shelf, new_api_key().text)
    with pytest.raises(ApiKeysUnavailableError):
        await shelf.keys.verify(new_api_key().text)
    assert len(shelf.asked) - asked_before == MAX_STRANGERS_PER_SECOND
    assert await is_good(shelf, text)
    shelf.pass_time(1)
    assert not await is_good(shelf, new_api_key().text)


async def test_few_questions_are_open_at_once_and_not_many_wait(shelf: Shelf) -> None:
    shelf.answers.clear()
    asking = [asyncio.create_task(is_good(shelf, new_api_key().text)) for _ in range(MAX_LOOKUPS_WAITING)]
    await shelf.asked_for(MAX_LOOKUPS_AT_ONCE)
    with pytest.raises(ApiKeysUnavailableError):
        await shelf.keys.verify(new_api_key().text)
    assert len(shelf.asked) == MAX_LOOKUPS_AT_ONCE
    shelf.answers.set()
    assert not any(await asyncio.gather(*asking))


async def test_what_is_remembered_is_bounded() -> None:
    shelf = Shelf(max_remembered=10)
    for text in [shelf.make() for _ in range(30)]:
        assert await is_good(shelf, text)
        assert not await is_good(shelf, new_api_key().text)
        assert len(shelf.keys._found) <= 10
        assert len(shelf.keys._not_found) <= 10


async def test_a_reader_that_is_away_is_said_and_asked_again(shelf: Shelf) -> None:
    text = shelf.make()
    shelf.fails = True
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            await shelf.keys.verify(text)
    shelf.fails = False
    assert await is_good(shelf, text)


async def test_a_reader_that_does_not_answer_is_waited_for_so_long(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOOKUP_TIMEOUT_SECONDS <= REMEMBERED_SECONDS
    monkeypatch.setattr("mini_auth.api_keys.LOOKUP_TIMEOUT_SECONDS", 0.01)
    shelf.answers.clear()
    with pytest.raises(ApiKeysUnavailableError):
        await shelf.keys.verify(shelf.make())
