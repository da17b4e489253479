"""Orders as a customer of a test sends them."""

from collections.abc import Sequence
from typing import Any

import httpx

from tests.integration.write_api.application import Application, Customer

Json = dict[str, Any]


async def events_of(application: Application, seats: Sequence[int], **fields: Any) -> list[Json]:
    """An active event with so many seats each."""
    host = await application.sign_up("host")
    return [await host.created(available_seats=count, **fields) for count in seats]


async def place(customer: Customer, *items: Json, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await customer.client.post("/api/v1/orders", json={"items": list(items)}, headers=headers)


async def placed(customer: Customer, *items: Json) -> Json:
    """An order that must succeed."""
    answer = await place(customer, *items)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def change(customer: Customer, order_id: int, what: str) -> httpx.Response:
    """Confirms or cancels."""
    return await customer.client.put(f"/api/v1/orders/{order_id}/{what}")


async def order_of(customer: Customer, order_id: int) -> Json:
    answer = await customer.client.get(f"/api/v1/orders/{order_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def item(event: Json, quantity: int = 1, **more: Any) -> Json:
    return {"event_id": event["id"], "quantity": quantity, **more}


def refusal(answer: httpx.Response) -> tuple[int, str, object]:
    """Status, kind and the index of the first refused item."""
    body = answer.json()
    return answer.status_code, body["type"].rpartition("/")[2], body.get("item")


def remaining(application: Application, *events: Json) -> list[int]:
    """Seats left of each event."""
    stock = "SELECT sum(remaining)::integer AS seats FROM ticket_stock WHERE event_id = %s"
    return [application.database.rows(stock, event["id"])[0]["seats"] for event in events]
