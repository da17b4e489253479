"""A booking keeps the policy of its purchase, whatever its event's host says later."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.booking_policy import PLATFORM_POLICY, BookingPolicy
from tests.integration.write_api.application import Application, Customer, Database
from tests.soak import sized

EXAMPLES = sized(12, 200)
DEFAULT = PLATFORM_POLICY.model_dump(mode="json")
STRICT = {
    "cancel_allowed": True,
    "cancel_until_seconds": 3600,
    "refund_policy": [
        {"seconds_before_start": 604800, "percent": 100},
        {"seconds_before_start": 86400, "percent": 33},
    ],
    "edit_allowed": False,
    "edit_until_seconds": 0,
    "transfer_allowed": True,
    "transfer_until_seconds": 7200,
}


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def reason(answer: Any) -> tuple[int, str, object]:
    body = answer.json()
    return answer.status_code, body["type"].rpartition("/")[2], body.get("reason")


async def confirmed(customer: Customer, event_id: int, quantity: int = 1) -> dict[str, Any]:
    booking = await customer.booked(event_id, quantity)
    answer = await customer.confirm(booking["id"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_an_event_without_a_policy_has_the_platforms(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    assert event["policy"] == DEFAULT
    booking = await confirmed(customer, event["id"], 2)
    assert (booking["policy"], booking["refund_minor"]) == (DEFAULT, None)
    cancelled = await customer.cancel(booking["id"])
    assert (cancelled.json()["status"], cancelled.json()["refund_minor"]) == ("cancelled", 2100)
    assert (await customer.cancel(booking["id"])).json() == cancelled.json()


async def test_what_a_host_says_is_shown_and_counted(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created(policy=STRICT)
    assert event["policy"] == {"version": 1, **STRICT}
    shown = await host.client.get(f"/api/v1/events/{event['id']}")
    assert shown.json()["policy"] == event["policy"]
    for policy, version in (
        ({"refund_policy": "none"}, 2),
        (STRICT, 1),
        ({"cancel_allowed": False, "refund_policy": "none"}, 3),
        ({"cancel_allowed": True}, 0),
        (STRICT, 1),
        (None, 0),
    ):
        answer = await host.update(event["id"], policy=policy)
        assert answer.status_code == 200, answer.text
        assert answer.json()["policy"]["version"] == version
    assert answer.json()["policy"] == DEFAULT
    renamed = await host.update(event["id"], name="Another name")
    assert renamed.json()["policy"] == DEFAULT


@pytest.mark.parametrize(
    "policy",
    [
        {"cancel_allowed": "yes"},
        {"cancel_until_seconds": -1},
        {"cancel_until_seconds": 31622401},
        {"refund_policy": "half"},
        {"refund_policy": [{"seconds_before_start": 0, "percent": 101}]},
        {"refund_policy": [{"seconds_before_start": 0, "percent": 10.5}]},
        {"refund_policy": [{"seconds_before_start": 0}]},
        {
            "refund_policy": [
                {"seconds_before_start": 60, "percent": 10},
                {"seconds_before_start": 0, "percent": 20},
            ]
        },
        {"refund_policy": [{"seconds_before_start": 60 - n, "percent": 1} for n in range(11)]},
        {"version": 7},
        "none",
        [],
    ],
)
async def test_a_policy_that_is_none_changes_nothing(application: Application, policy: Any) -> None:
    host = await application.sign_up("host")
    assert (await host.create(policy=policy)).status_code == 422
    event = await host.created(policy=STRICT)
    assert (await host.update(event["id"], policy=policy, name="Another")).status_code == 422
    assert (await host.client.get(f"/api/v1/events/{event['id']}")).json() == event


async def test_what_comes_back_depends_on_when(application: Application) -> None:
    """The event moves instead of the time; its policy moves with it."""
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(policy=STRICT, start_at=in_hours(24 * 30), price=10.01)
    bookings = [await confirmed(customer, event["id"], 1) for _ in range(5)]
    held = await customer.booked(event["id"])

    async def cancel(booking: dict[str, Any], hours: float) -> Any:
        assert (await host.update(event["id"], start_at=in_hours(hours))).status_code == 200
        return await customer.cancel(booking["id"])

    assert (await cancel(bookings[0], 24 * 8)).json()["refund_minor"] == 1001
    assert (await cancel(bookings[1], 24 * 6)).json()["refund_minor"] == 330, "33 % of 10.01, rounded down"
    assert (await cancel(bookings[2], 5)).json()["refund_minor"] == 0
    late = await cancel(bookings[3], 0.9)
    assert reason(late) == (409, "refused-by-policy", "cancel-too-late")
    assert (await cancel(held, 0.8)).json()["refund_minor"] == 0, "a hold is given back freely"
    await host.update(event["id"], status="cancelled")
    assert (await customer.cancel(bookings[4]["id"])).json()["refund_minor"] == 1001
    assert application.database.faults() == {}


async def test_where_nothing_is_cancelled_a_hold_still_is(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(policy={"cancel_allowed": False})
    booking = await confirmed(customer, event["id"])
    refused = await customer.cancel(booking["id"])
    assert reason(refused) == (409, "refused-by-policy", "cancel-not-allowed")
    assert await customer.booking(booking["id"]) == booking
    assert (await customer.cancel((await customer.booked(event["id"]))["id"])).status_code == 200


async def test_a_booking_keeps_the_policy_of_its_purchase(application: Application) -> None:
    """Random histories of one event, against a model that knows no versions."""
    host, customer = await application.sign_up("host"), await application.sign_up()

    async def live(steps: list[Any]) -> None:
        start = datetime.now(UTC) + timedelta(days=2)
        event = await host.created(start_at=start.isoformat(), available_seats=100, price=9.99)
        in_force, kept = DEFAULT, dict[int, dict[str, Any]]()
        for step in steps:
            if isinstance(step, dict):
                answer = await host.update(event["id"], policy=step)
                assert answer.status_code == 200, answer.text
                in_force = answer.json()["policy"]
                assert {name: in_force[name] for name in step} == step
            elif step == "book" or not kept:
                booking = await confirmed(customer, event["id"])
                kept[booking["id"]] = in_force
            else:
                await check_cancel(customer, *kept.popitem(), start)
            for booking_id, policy in kept.items():
                assert (await customer.booking(booking_id))["policy"] == policy
        for booking_id, policy in kept.items():
            await check_cancel(customer, booking_id, policy, start)

    loop = asyncio.get_running_loop()
    bodies = st.fixed_dictionaries(
        {
            "cancel_allowed": st.booleans(),
            "cancel_until_seconds": st.sampled_from([0, 3600, 259_200]),
            "refund_policy": st.sampled_from([0, 3600, 259_200]).flatmap(
                lambda seconds: st.integers(0, 100).map(
                    lambda percent: [{"seconds_before_start": seconds, "percent": percent}]
                )
            ),
        }
    )

    @settings(max_examples=EXAMPLES)
    @given(st.lists(st.one_of(bodies, st.sampled_from(["book", "book", "cancel"])), max_size=10))
    def whatever_happens(steps: list[Any]) -> None:
        asyncio.run_coroutine_threadsafe(live(steps), loop).result(60)

    await asyncio.to_thread(whatever_happens)
    assert application.database.faults() == {}


async def check_cancel(customer: Customer, booking_id: int, policy: dict[str, Any], start: datetime) -> None:
    """A booking is cancelled exactly as the policy says that it was bought under."""
    answer = await customer.cancel(booking_id)
    now, rule = datetime.now(UTC), BookingPolicy(**policy)
    until = rule.cancel_until(start)
    if until is not None and now < until:
        assert answer.json()["refund_minor"] == rule.refund_minor(999, start, now)
    else:
        assert reason(answer)[:2] == (409, "refused-by-policy")


@pytest.mark.parametrize("role", ["frontrow_write", "frontrow_owner", "postgres"])
@pytest.mark.parametrize(
    "change", ["UPDATE event_policies SET cancel_allowed = true", "UPDATE event_policies SET version = 9"]
)
async def test_nobody_changes_a_policy(application: Application, role: str, change: str) -> None:
    host = await application.sign_up("host")
    await host.created(policy=STRICT)
    database: Database = application.database
    with (
        psycopg.connect(database.url(role), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change.encode())


async def test_policies_come_with_events_in_bulk(application: Application) -> None:
    host = await application.sign_up("host")
    bodies = [
        {
            "name": f"bulk {number}",
            "available_seats": 1,
            "price": 1,
            "start_at": "2030-11-01T10:00:00Z",
            "location": "HCM",
            "category": "MUSIC",
            **more,
        }
        for number, more in enumerate([{"policy": STRICT}, {}, {"policy": {"refund_policy": "none"}}])
    ]
    bodies.append({**bodies[0], "policy": {"refund_policy": "half"}})
    answer = await host.client.post("/api/v1/events/bulk", json={"events": bodies})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["created", "created", "created", "refused"]
    events = [
        (await host.client.get(f"/api/v1/events/{result['id']}")).json()["policy"] for result in results[:3]
    ]
    assert [policy["version"] for policy in events] == [1, 0, 1]
    assert events[0] == {"version": 1, **STRICT}
    assert events[2]["refund_policy"] == []
