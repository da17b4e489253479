"""The hot route against the plain one: the same request is answered alike, be it well-formed or hostile."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mini_auth.permissions import UndeclaredRouteError
from service_kit.hot_route import HotRoutes
from tests.integration.write_api.application import Application, Customer
from tests.soak import sized
from write_api.app import WriteApi
from write_api.bookings.hot import HotBooking

EXAMPLES = sized(150, 3000)
ADDRESS = "/api/v1/bookings"
SEATS = 40

numbers = st.sampled_from([-1, 0, 10**9, 2**63 - 1, 2**63, 2**200])  # of no event of the tests
values = st.one_of(
    numbers, st.floats(), st.none(), st.booleans(), st.text(max_size=3), st.just([]), st.just({})
)
members = st.fixed_dictionaries(
    {"event_id": st.just("EVENT"), "quantity": st.integers(1, 7)},
    optional={"ticket_type_id": st.none() | st.sampled_from(["TYPE", 10**9, 2**63 - 1])},
)
wrong_members = st.fixed_dictionaries(
    {},
    optional={
        "event_id": st.just("EVENT") | values,
        "quantity": st.integers(1, 7) | values,
        "ticket_type_id": values,
        "more": values,
    },
)
written = [
    '{"event_id":EVENT,"quantity":1,"quantity":1}',
    '{"event_id":EVENT,"quantity":1,"ticket_type_id":null,"ticket_type_id":null}',
    '{"event_id":EVENT,"quantity":1.0}',
    '{"event_id":EVENT,"quantity":1e0}',
    '{"event_id":EVENT,"quantity":01}',
    '{"event_id":EVENT,"quantity":+1}',
    '{"event_id":EVENT,"quantity":NaN}',
    '{"\\u0065vent_id":EVENT,"quantity":1}',
    '\ufeff{"event_id":EVENT,"quantity":1}',
    ' \n{ "quantity" : 2 ,\t"event_id" : EVENT }\r\n ',
    '{"event_id":EVENT,"quantity":1} {}',
    '{"event_id":EVENT,"quantity":1}' + " " * 2000,
    '{"event_id":' + "1" * 60 + ',"quantity":1}',
    '[{"event_id":EVENT,"quantity":1}]',
    "[" * 900,
    "",
    "null",
]
bodies = (
    (members | wrong_members)
    .map(json.dumps)
    .map(lambda text: text.replace('"EVENT"', "EVENT").replace('"TYPE"', "TYPE"))
    .map(str.encode)
    | st.sampled_from(written).map(str.encode)
    | st.sampled_from(written).map(lambda text: text.encode("utf-16"))
    | st.binary(max_size=40)
)
common = st.just({})
odd_headers = st.sampled_from(
    [
        {},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"authorization": "Bearer nonsense"},
        {"authorization": ""},
        {"x-api-key": "nonsense"},
        {"x-guest-link": "nonsense"},
        {"idempotency-key": ""},
        {"idempotency-key": "a b"},
        {"idempotency-key": "k" * 256},
        {"idempotency-key": "again"},
        {"x-envoy-external-address": "2001:db8::1"},
        {"x-envoy-external-address": "nowhere"},
        {"x-consistency-token": "nonsense"},
    ]
)


class Twins:
    """Two people who ask for the same of two equal events, one by the hot route, one by the plain route."""

    def __init__(
        self, application: Application, people: list[Customer], events: list[dict[str, Any]]
    ) -> None:
        self._clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://write_api",
                headers=person.client.headers,
            )
            for app, person in zip((application.app, in_front_of(application).plain), people, strict=True)
        ]
        self._events = events

    async def ask(self, body: bytes, headers: dict[str, str]) -> list[tuple[object, ...]]:
        """What each of them is answered, without what no two answers share."""
        told = []
        for client, event in zip(self._clients, self._events, strict=True):
            names = (("EVENT", event["id"]), ("TYPE", event["ticket_types"][0]["id"]))
            content = body
            for name, number in names:
                content = content.replace(name.encode(), b"%d" % number)
            sent = {"content-type": "application/json", "content-length": str(len(content)), **headers}
            answer = await client.post(ADDRESS, content=content, headers=sent)
            told.append(alike(answer))
        return told


def alike(answer: httpx.Response) -> tuple[object, ...]:
    """Status, headers and body, without ids, times, and what is left of limits."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z", "TIME", answer.text)
    text = re.sub(r'"(id|event_id|ticket_type_id)":\d+', r'"\1":ID', text)
    headers = {
        name: re.sub(r"r=\d+;t=\d+", "LEFT", value)
        for name, value in answer.headers.items()
        if name not in {"content-length", "x-consistency-token"}
    }
    has = ("content-length" in answer.headers, len(answer.headers.get("x-consistency-token", "")))
    return answer.status_code, headers, has, text


def in_front_of(application: Application) -> HotRoutes:
    assert isinstance(application.app, WriteApi)
    return application.app.in_front


@pytest.fixture
async def twins(application: Application) -> Twins:
    host = await application.sign_up("host")
    people = [await application.sign_up() for _ in range(2)]
    events = [await host.created(available_seats=SEATS) for _ in range(2)]
    return Twins(application, people, events)


async def test_the_same_request_is_answered_alike(twins: Twins) -> None:
    loop = asyncio.get_running_loop()
    statuses: set[object] = set()

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(bodies, common | odd_headers)
    def alike_in_all(body: bytes, headers: dict[str, str]) -> None:
        hot, plain = asyncio.run_coroutine_threadsafe(twins.ask(body, headers), loop).result(60)
        assert hot == plain
        statuses.add(hot[0])

    await asyncio.to_thread(alike_in_all)
    assert statuses >= {201, 400, 401, 409, 415, 422}


async def test_the_common_case_is_the_hot_routes(application: Application, twins: Twins) -> None:
    """FastAPI never sees the common case of whoever asks by the hot route, and sees all else."""
    seen: list[str] = []
    body = b'{"event_id":EVENT,"quantity":1}'
    stack = in_front_of(application)
    plain = stack.plain

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await plain(scope, receive, send)

    stack.plain = watched
    try:
        assert len({answer[0] for answer in await twins.ask(body, {})}) == 1
        assert seen == []
        await twins.ask(body, {"idempotency-key": "a b"})
        assert seen == [ADDRESS]
    finally:
        stack.plain = plain


def test_a_hot_route_needs_a_plain_route_with_its_permission() -> None:
    with pytest.raises(UndeclaredRouteError):
        HotBooking(FastAPI(), may_write=lambda: True, confirmed=None)  # type: ignore[arg-type]
