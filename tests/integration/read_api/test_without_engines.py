"""What read_api answers when one of its sources is gone."""

import httpx

from tests.conftest import Platform
from tests.people import Person, wait_for


def test_without_elasticsearch_search_says_when_to_come_back_and_event_pages_go_on(
    platform: Platform, host: Person
) -> None:
    event_id = host.create_event()["id"]
    with httpx.Client(base_url=f"http://{platform.address('read_api')}", timeout=10) as visitor:
        wait_for("the event's page", lambda: visitor.get(f"/api/v1/events/{event_id}").is_success)
        platform.kill("elasticsearch")
        try:
            refused = visitor.post("/api/v1/search/events", json={"text": "anything"})
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["type"].endswith("/temporarily-unavailable")
            assert visitor.get(f"/api/v1/events/{event_id}").status_code == 200
            assert visitor.get("/health/ready").status_code == 200
            index_age = int(refused.headers["x-data-age-ms"])
            wait_for(
                "the index's age grows",
                lambda: int(visitor.get("/api/v1/events").headers["x-data-age-ms"]) > index_age + 500,
            )
            page_age = int(visitor.get(f"/api/v1/events/{event_id}").headers["x-data-age-ms"])
            assert page_age < 30_000
        finally:
            platform.up("elasticsearch")
        wait_for("search is back", lambda: visitor.post("/api/v1/search/events", json={}).is_success)


def test_without_the_reader_event_pages_say_so_and_search_goes_on(platform: Platform, host: Person) -> None:
    with httpx.Client(base_url=f"http://{platform.address('read_api')}", timeout=10) as visitor:
        platform.kill("reader")
        try:
            refused = wait_for(
                "a refusal", lambda: (answer := visitor.get("/api/v1/events/1")).status_code == 503 and answer
            )
            assert int(refused.headers["retry-after"]) >= 1
            assert visitor.post("/api/v1/search/events", json={}).status_code == 200
            assert visitor.get("/health/ready").status_code == 200
        finally:
            wait_for("the reader is back", lambda: platform.up("reader", check=False).returncode == 0)
        wait_for("event pages are back", lambda: visitor.get("/api/v1/events/1").status_code != 503)


def test_the_documentation_and_the_pages_need_nothing_from_elsewhere(platform: Platform) -> None:
    with httpx.Client(base_url=f"http://{platform.address('read_api')}", timeout=10) as visitor:
        page = visitor.get("/docs")
        for part in ("/docs/start.js", "/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css"):
            assert visitor.get(part).status_code == 200, part
        assert "://" not in page.text
        start = visitor.get("/")
        assert start.status_code == 200
        assert "default-src 'self'" in start.headers["content-security-policy"]
        assert start.headers["x-content-type-options"] == "nosniff"
        unchanged = visitor.get("/", headers={"If-None-Match": start.headers["etag"]})
        assert unchanged.status_code == 304
        assert visitor.get("/%2e%2e/pyproject.toml").status_code == 404
        assert visitor.get("/.git").status_code == 404
