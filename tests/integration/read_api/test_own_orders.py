"""Orders, bookings and events as a region's reader has them are those that the primary answers."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mini_auth.guest_links import GUEST_LINK_HEADER
from tests.integration.permission_table.world import PrimaryAsReader, World, running_world
from tests.integration.write_api.application import Database, event_body
from tests.scratch_postgresql import scratch_postgresql

Json = dict[str, Any]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with scratch_postgresql() as server:
        yield Database(server)


@pytest.fixture(scope="module")
async def world(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("read_api.app.ReaderPosition", PrimaryAsReader)
        async with running_world(database, tmp_path_factory.mktemp("world")) as world:
            yield world


class Caller:
    """Somebody who asks both applications."""

    def __init__(self, world: World, headers: dict[str, str]) -> None:
        self._world = world
        self._headers = headers

    async def write(self, method: str, path: str, body: Json | None = None) -> Json:
        content = {} if body is None else {"json": body}
        answer = await self._world.send("write_api", method, path, self._headers, content)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def read(self, path: str) -> tuple[int, Json]:
        """What both answer alike."""
        told = [
            await self._world.send(name, "GET", path, self._headers, {}) for name in ("read_api", "write_api")
        ]
        assert told[0].status_code == told[1].status_code
        assert told[0].json() == told[1].json()
        return told[0].status_code, told[0].json()


def people(world: World) -> Iterator[Caller]:
    yield Caller(world, {"Authorization": f"Bearer {world.token(world.make_person(['customer']))}"})
    guest = world.make_person(["customer"])
    yield Caller(world, {GUEST_LINK_HEADER: world.guest_link(guest.id)})


async def test_an_order_is_read_in_the_region_as_it_is_at_the_primary(world: World) -> None:
    host = Caller(world, {"Authorization": f"Bearer {world.token(world.make_person(['host']))}"})
    events = [await host.write("POST", "/api/v1/events", event_body()) for _ in range(2)]
    for caller in people(world):
        items = [{"event_id": one["id"], "quantity": 2, "attendees": [{"name": "Ann"}]} for one in events]
        orders = [await caller.write("POST", "/api/v1/orders", {"items": items}) for _ in range(3)]
        path = f"/api/v1/orders/{orders[0]['id']}"
        assert await caller.read(path) == (200, orders[0])
        confirmed = await caller.write("PUT", f"{path}/confirm")
        assert await caller.read(path) == (200, confirmed)
        first = confirmed["bookings"][0]
        assert await caller.read(f"/api/v1/bookings/{first['id']}") == (200, first)
        await caller.write("PUT", f"/api/v1/bookings/{first['id']}/cancel")
        _, left = await caller.read(path)
        assert [one["status"] for one in left["bookings"]] == ["cancelled", "confirmed"]
        _, page = await caller.read("/api/v1/orders?page_size=2")
        assert page["orders"] == orders[:0:-1]
        assert (await caller.read(f"/api/v1/orders?before={page['next_before']}"))[1]["orders"] == [left]
        await caller.write("PUT", f"{path}/cancel")
        for one in orders[1:]:
            await caller.write("PUT", f"/api/v1/orders/{one['id']}/cancel")
        assert (await caller.read("/api/v1/orders/9000000000"))[0] == 404
        assert (await caller.read("/api/v1/orders?page_size=21"))[0] == 422


async def test_nobody_reads_the_order_of_somebody_else(world: World) -> None:
    host = Caller(world, {"Authorization": f"Bearer {world.token(world.make_person(['host']))}"})
    event = await host.write("POST", "/api/v1/events", event_body())
    owner, other = people(world)
    order = await owner.write("POST", "/api/v1/orders", {"items": [{"event_id": event["id"], "quantity": 1}]})
    assert (await other.read(f"/api/v1/orders/{order['id']}"))[0] == 404
    assert (await other.read("/api/v1/orders"))[1] == {"orders": [], "next_before": None}


async def test_policies_and_what_comes_back_are_read_in_the_region(world: World) -> None:
    host = Caller(world, {"Authorization": f"Bearer {world.token(world.make_person(['host']))}"})
    policy = {
        "cancel_until_seconds": 60,
        "refund_policy": [{"seconds_before_start": 0, "percent": 50}],
        "edit_allowed": False,
    }
    event = await host.write("POST", "/api/v1/events", event_body(policy=policy, hold_seconds=60))
    customer, _ = people(world)
    body = {"event_id": event["id"], "quantity": 3}
    booking = await customer.write("POST", "/api/v1/bookings", body)
    path = f"/api/v1/bookings/{booking['id']}"
    assert booking["policy"] == event["policy"]
    assert await customer.read(path) == (200, booking)
    changed = await host.write("PUT", f"/api/v1/events/{event['id']}", {"policy": None})
    assert (await customer.read(f"/api/v1/events/{event['id']}"))[1]["policy"] == changed["policy"]
    await customer.write("PUT", f"{path}/confirm")
    cancelled = await customer.write("PUT", f"{path}/cancel")
    assert (cancelled["policy"], cancelled["refund_minor"]) == (booking["policy"], 1575)
    assert await customer.read(path) == (200, cancelled)
    ticket_types = f"/api/v1/events/{event['id']}/ticket-types"
    await host.write("POST", ticket_types, {"name": "More", "price": 1, "capacity": 2, "oversell_seats": 1})
    _, shown = await customer.read(f"/api/v1/events/{event['id']}")
    assert (shown["capacity"], shown["available_seats"], len(shown["ticket_types"])) == (12, 13, 2)
