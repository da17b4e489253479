"""HEAD answers what GET does, without its body, wherever GET is answered."""

import pytest

from tests.people import Person, wait_for


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/api/v1/events", "/api/v1/events/{event}", "/api/v1/bookings", "/.well-known/jwks.json"],
)
def test_head_answers_the_headers_of_get(host: Person, path: str) -> None:
    path = path.replace("{event}", str(host.create_event()["id"]))
    get = wait_for("the answer", lambda: (answer := host.client.get(path)).is_success and answer)
    head = host.client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
