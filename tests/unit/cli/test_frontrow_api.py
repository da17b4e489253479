"""The client against a server that fails in every way that a network and a restart have."""

import json
from collections.abc import Callable

import httpx
import pytest

from cli.frontrow_api import MAX_ATTEMPTS, Account, ApiError, FrontrowApi, RequestRefusedError, problem_text
from cli.importing.event_lines import EventLine, RefusedLine
from cli.importing.ledger import ImportLedger
from cli.importing.upload import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BATCH_SEATS, batches, upload

Answer = httpx.Response | Exception
LOGIN = "/api/v1/login"
BULK = "/api/v1/events/bulk"


class Server:
    """Answers requests as the test scripts it; otherwise as the API would when all is well."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {LOGIN: [], BULK: [], "/api/v1/accounts": []}
        self.refuse: Callable[[list[dict[str, object]]], bool] = lambda events: False
        self.asked: list[str] = []
        self.created: list[object] = []
        self.tokens = 0
        self.expires_in = 300.0
        self.pauses: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if self.script[path]:
            answer = self.script[path].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if path == LOGIN:
            self.tokens += 1
            token = {"access_token": f"token-{self.tokens}", "expires_in": self.expires_in}
            return httpx.Response(200, json=token)
        if path != BULK:
            return httpx.Response(201, json={})
        assert request.headers["authorization"] == f"Bearer token-{self.tokens}"
        events = json.loads(request.content)["events"]
        if self.refuse(events):
            return httpx.Response(422, json={"title": "Wrong", "detail": "Poisoned."})
        self.created += events
        return httpx.Response(200, json={"results": [{"status": "created"} for _ in events]})

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def api(self) -> FrontrowApi:
        transport = httpx.MockTransport(self.answer)
        return FrontrowApi(
            "http://frontrow.test", Account("a@b.c", "secret"), transport=transport, sleep=self.sleep
        )


@pytest.fixture
def server() -> Server:
    return Server()


def lines(count: int, *, seats: int = 1, padding: int = 0) -> list[EventLine | RefusedLine]:
    return [
        EventLine(n, json.dumps({"n": n, "x": "x" * padding}).encode(), seats) for n in range(1, count + 1)
    ]


PASSING: list[Answer] = [
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("cut"),
    httpx.Response(502, text="<html>"),
    httpx.Response(503, json={"title": "Later"}),
    httpx.Response(504),
    httpx.Response(429, json={"title": "Slow down"}),
    httpx.Response(401, json={"title": "The access token is not valid"}),
]


@pytest.mark.parametrize("trouble", PASSING, ids=repr)
async def test_passing_trouble_is_waited_out(server: Server, trouble: Answer) -> None:
    server.script[BULK] = [trouble, trouble]
    async with server.api() as api:
        assert [outcome.status for outcome in await api.create_events([b"{}"])] == ["created"]
    assert len(server.pauses) == 2
    assert all(pause > 0 for pause in server.pauses)


@pytest.mark.parametrize("trouble", PASSING, ids=repr)
async def test_trouble_that_stays_is_told_after_a_bounded_number_of_tries(
    server: Server, trouble: Answer
) -> None:
    server.script[BULK] = [trouble] * 100
    async with server.api() as api:
        with pytest.raises(ApiError, match="can't be used"):
            await api.create_events([b"{}"])
    assert server.asked.count(BULK) == MAX_ATTEMPTS
    assert server.pauses == sorted(server.pauses) or max(server.pauses) <= 5


async def test_the_server_may_ask_for_a_longer_pause_within_reason(server: Server) -> None:
    server.script[BULK] = [
        httpx.Response(503, headers={"Retry-After": "7"}),
        httpx.Response(429, headers={"Retry-After": "86400"}),
        httpx.Response(503, headers={"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}),
        httpx.Response(503, headers={"Retry-After": "-1"}),
    ]
    async with server.api() as api:
        await api.create_events([b"{}"])
    assert server.pauses[:2] == [7, 30]
    assert max(server.pauses[2:]) < 5


async def test_the_token_is_renewed_before_it_expires_and_otherwise_kept(server: Server) -> None:
    async with server.api() as api:
        await api.create_events([b"{}"])
        await api.create_events([b"{}"])
        assert server.tokens == 1
        server.expires_in = 0
        server.script[BULK] = [httpx.Response(401)]
        await api.create_events([b"{}"])
        await api.create_events([b"{}"])
    assert server.tokens == 3


async def test_a_wrong_password_is_told_at_once(server: Server) -> None:
    server.script[LOGIN] = [httpx.Response(401, json={"title": "E-mail or password is wrong"})]
    async with server.api() as api:
        with pytest.raises(ApiError, match=r"a@b\.c or its password is wrong") as error:
            await api.log_in()
    assert "secret" not in str(error.value)
    assert server.asked == [LOGIN]


async def test_a_server_that_is_not_there_is_told_soon(server: Server) -> None:
    server.script[LOGIN] = [httpx.ConnectError("refused")] * 100
    async with server.api() as api:
        with pytest.raises(ApiError, match="nothing answers there"):
            await api.log_in()
    assert sum(server.pauses) < 3


@pytest.mark.parametrize("body", ["<html>", "[]", '{"results": []}', '{"results": [{}]}', "{}", "null"])
async def test_what_is_not_our_api_is_told(server: Server, body: str) -> None:
    server.script[BULK] = [httpx.Response(200, text=body)]
    async with server.api() as api:
        with pytest.raises(ApiError, match="not Frontrow's API"):
            await api.create_events([b"{}"])


async def test_an_account_without_the_role_is_told_why(server: Server) -> None:
    problem = {"title": "This is not yours to do", "detail": "This needs an account with the role host."}
    server.script[BULK] = [httpx.Response(403, json=problem)]
    async with server.api() as api:
        with pytest.raises(ApiError, match="role host"):
            await api.create_events([b"{}"])


async def test_an_account_is_there_or_is_made(server: Server) -> None:
    server.script[LOGIN] = [httpx.Response(401, json={}), httpx.Response(503, json={})]
    server.script["/api/v1/accounts"] = [httpx.Response(202, json={}), httpx.Response(422, json={})]
    async with server.api() as api:
        assert not await api.has_account()
        await api.sign_up(display_name="Demo", roles=["host"])
        assert await api.has_account()
        with pytest.raises(ApiError, match="can't be made"):
            await api.sign_up(display_name="Demo", roles=["host"])


async def test_a_request_refused_as_a_whole_says_so(server: Server) -> None:
    server.refuse = lambda events: True
    async with server.api() as api:
        with pytest.raises(RequestRefusedError, match="Poisoned"):
            await api.create_events([b"{}"])


async def test_one_poisoned_event_is_found_and_costs_no_other(server: Server) -> None:
    server.refuse = lambda events: any(event["n"] == 137 for event in events)
    refusals: list[str] = []
    ledger = ImportLedger(refusals.append)
    async with server.api() as api:
        await upload(iter(lines(450)), api, ledger)
    assert (ledger.created_count, ledger.refused_count) == (449, 1)
    assert refusals == ["line 137: Poisoned.\n"]
    assert len(server.asked) < 25


async def test_every_line_has_one_outcome_and_no_event_is_sent_twice(server: Server) -> None:
    items = lines(1234)
    items[17] = RefusedLine(18, "it is not JSON")
    ledger = ImportLedger(lambda _: None)
    async with server.api() as api:
        await upload(iter(items), api, ledger)
    assert (ledger.created_count, ledger.refused_count, ledger.lines) == (1233, 1, 1234)
    assert sorted(event["n"] for event in server.created) == [n for n in range(1, 1235) if n != 18]  # type: ignore[index]


async def test_trouble_that_stays_ends_the_upload(server: Server) -> None:
    server.script[BULK] = [httpx.Response(503)] * 1000
    ledger = ImportLedger(lambda _: None)
    async with server.api() as api:
        with pytest.raises(ApiError):
            await upload(iter(lines(5000)), api, ledger)
    assert ledger.lines == 0


def test_batches_keep_the_order_and_the_bounds() -> None:
    for items in (lines(1000), lines(700, seats=999), lines(30, seats=60_000), lines(300, padding=60_000)):
        groups = list(batches(iter(items)))
        assert [item for group in groups for item in group] == items
        for group in groups:
            events = [item for item in group if isinstance(item, EventLine)]
            assert len(group) <= MAX_BATCH_EVENTS
            assert sum(event.seats for event in events) <= MAX_BATCH_SEATS
            assert sum(len(event.body) + 1 for event in events) <= MAX_BATCH_BYTES
        assert len(groups) < len(items) or len(items) == 30


def test_an_event_too_large_for_any_request_is_still_sent_to_hear_why() -> None:
    assert [len(group) for group in batches(iter(lines(3, seats=MAX_BATCH_SEATS + 1)))] == [1, 1, 1]


def test_a_problem_in_words_is_one_line_without_control_characters() -> None:
    problem = {
        "detail": "Bad\x1b[31m\nthing",
        "errors": [{"location": "body.price", "message": "too low"}] * 9,
    }
    text = problem_text(problem)
    assert text.isprintable()
    assert text.count("price: too low") == 3
    assert problem_text(None) == problem_text({}) == "no reason was given"
