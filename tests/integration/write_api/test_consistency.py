"""Each answer of write_api tells up to where it knows; a read that asks for more than it has is refused."""

import base64
from pathlib import Path

import httpx
import pytest

from contracts import problems
from contracts.consistency_token import CONSISTENCY_HEADER, Position, TokenSigner
from tests.integration.write_api.application import (
    CONSISTENCY_KEY,
    Application,
    Database,
    eventually,
    running_application,
)
from tests.integration.write_api.test_standing import open_generation

SIGNER = TokenSigner(base64.b64decode(CONSISTENCY_KEY))


def known(answer: httpx.Response) -> Position:
    return SIGNER.read(answer.headers[CONSISTENCY_HEADER])


def flushed_lsn(application: Application) -> int:
    statement = "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint AS lsn"
    return int(application.database.rows(statement)[0]["lsn"])


async def test_the_token_of_a_write_is_at_or_after_its_commit_and_not_in_the_future(
    application: Application,
) -> None:
    host = await application.sign_up("host", "customer")
    event = await host.created()
    before = flushed_lsn(application)
    answer = await host.book(event["id"])
    after = flushed_lsn(application)
    assert known(answer).generation == 1
    assert before < known(answer).lsn <= after
    later = await host.confirm(answer.json()["id"])
    assert known(later) > known(answer)


async def test_refusals_tell_their_position_too_and_answers_beside_the_gate_have_none(
    application: Application,
) -> None:
    host = await application.sign_up("host", "customer")
    event = await host.created()
    for answer in (
        await host.book(event["id"], 11),
        await host.client.get("/api/v1/bookings/9000000"),
        await application.anonymous.get("/api/v1/bookings"),
    ):
        assert answer.status_code in {401, 404, 409}
        assert known(answer).generation == 1
    assert CONSISTENCY_HEADER not in (await application.anonymous.get("/health/live")).headers


async def test_a_read_that_was_passed_on_is_answered_as_the_region_would(application: Application) -> None:
    host, stranger = await application.sign_up("host", "customer"), await application.sign_up("customer")
    event = await host.created(status="inactive")
    path = f"/api/v1/events/{event['id']}"
    token = {CONSISTENCY_HEADER: SIGNER.sign(Position(1, flushed_lsn(application)))}
    assert (await host.client.get(path, headers=token)).json() == event
    for client in (stranger.client, application.anonymous):
        assert (await client.get(path, headers=token)).status_code == 404
    active = (await host.update(event["id"], status="active")).json()
    assert (await application.anonymous.get(path, headers=token)).json() == active
    booking = await stranger.booked(event["id"])
    for address in (f"/api/v1/bookings/{booking['id']}", "/api/v1/bookings"):
        assert str(booking["id"]) in (await stranger.client.get(address, headers=token)).text
    assert (await host.client.get(f"/api/v1/bookings/{booking['id']}", headers=token)).status_code == 404


@pytest.mark.parametrize("ahead", [Position(1, 2**60), Position(2, 0)], ids=["position", "generation"])
async def test_what_this_primary_does_not_have_either_is_refused(
    application: Application, ahead: Position
) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    token = {CONSISTENCY_HEADER: SIGNER.sign(ahead)}
    answer = await host.client.get(f"/api/v1/events/{event['id']}", headers=token)
    assert (answer.status_code, answer.json()["type"]) == (503, problems.TEMPORARILY_UNAVAILABLE.uri)
    assert "has not caught up" in answer.json()["detail"]
    assert answer.headers["Retry-After"]
    assert (await host.update(event["id"], name="a write needs no past")).status_code == 200


async def test_a_token_that_can_not_be_read_or_comes_twice_is_refused(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    good = SIGNER.sign(Position(1, 1))
    for tokens in (["nonsense"], [""], [good[:-1] + ("A" if good[-1] != "A" else "B")], [good, good]):
        headers = [(CONSISTENCY_HEADER, token) for token in tokens]
        answer = await application.anonymous.get(f"/api/v1/events/{event['id']}", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (400, problems.MALFORMED_REQUEST.uri)
        assert CONSISTENCY_HEADER in answer.json()["detail"]


async def test_the_token_carries_the_generation_that_the_primary_writes_under(
    database: Database, state: Path
) -> None:
    open_generation(database, 7)
    async with running_application(database, state) as application:

        async def generation() -> int | None:
            answer = await application.anonymous.get("/api/v1/bookings")
            return known(answer).generation if CONSISTENCY_HEADER in answer.headers else None

        assert await eventually("the generation is known", generation) == 7


async def test_the_document_tells_of_the_token_and_not_of_the_reads(application: Application) -> None:
    document = (await application.anonymous.get("/openapi/write.json")).json()
    assert CONSISTENCY_HEADER in document["paths"]["/api/v1/bookings"]["post"]["responses"]["201"]["headers"]
    passed_on = ("/api/v1/bookings", "/api/v1/bookings/{booking_id}", "/api/v1/events/{event_id}")
    assert not [path for path in passed_on if "get" in document["paths"].get(path, {})]
