import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from contracts import problems
from regions.catalogue import Address, Edge
from regions.gateway.configuration import GatewayAddresses, balancer_configuration, gateway_configuration
from regions.gateway.places import places
from regions.gateway.routes import virtual_host


def at(port: int) -> Address:
    return Address("127.0.0.1", port)


def configuration(*other_write_apis: Address) -> dict[str, Any]:
    addresses = GatewayAddresses(
        (at(20001), at(20002)), at(20003), at(20004), at(20005), at(20006), other_write_apis
    )
    return gateway_configuration("eu", addresses, Edge(allowed_origins=("https://a.example",)), "/dev/null")


def balancer() -> dict[str, Any]:
    order = {"eu": [at(20011), at(20012)], "us": [at(20012), at(20011)]}
    return balancer_configuration(
        ("eu", "us"),
        order.__getitem__,
        front_door=at(20001),
        admin=at(20002),
        edge=Edge(),
        access_log="/dev/null",
    )


def clusters(document: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in document["static_resources"]["clusters"]}


def ports_by_priority(cluster: dict[str, Any]) -> list[list[int]]:
    groups = sorted(cluster["load_assignment"]["endpoints"], key=lambda group: group["priority"])
    return [
        [one["endpoint"]["address"]["socket_address"]["port_value"] for one in group["lb_endpoints"]]
        for group in groups
    ]


def validate(document: dict[str, Any], folder: Path) -> "subprocess.CompletedProcess[str]":
    package = find_spec("envoy")
    assert package is not None
    assert package.origin is not None
    file = folder / "envoy.json"
    file.write_text(json.dumps(document))
    command = [Path(package.origin).parent / "_bin" / "envoy", "--mode", "validate", "-c", file]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "document",
    [configuration(), configuration(at(20007), at(20008)), balancer()],
    ids=["one region", "three regions", "balancer"],
)
def test_envoy_accepts_the_configuration(document: dict[str, Any], tmp_path: Path) -> None:
    done = validate(document, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_writes_go_to_any_region_that_says_it_is_the_writer_and_to_no_other() -> None:
    writers = clusters(configuration(at(20007), at(20008)))["write_api"]
    assert ports_by_priority(writers) == [[20004, 20007, 20008]]
    assert writers["health_checks"][0]["http_health_check"]["path"] == "/health/ready"
    assert writers["common_lb_config"]["healthy_panic_threshold"]["value"] == 0


def test_a_gateway_alone_asks_nobody_who_the_writer_is() -> None:
    assert "health_checks" not in clusters(configuration())["write_api"]


def test_the_balancer_tries_the_nearest_region_first_and_all_others_after_it() -> None:
    found = clusters(balancer())
    assert ports_by_priority(found["nearest_to_eu"]) == [[20011], [20012]]
    assert ports_by_priority(found["nearest_to_us"]) == [[20012], [20011]]
    assert all(cluster["health_checks"] for cluster in found.values())


def test_the_balancer_sends_only_reads_again_after_a_region_may_have_seen_them() -> None:
    routes = places(("eu", "us"))["routes"]
    assert len(routes) == 3 * 4
    for route in routes:
        is_read = "GET" in json.dumps(route["match"]) or route["match"].get("path") == "/api/v1/search/events"
        if not is_read:
            assert route["route"]["retry_policy"]["retry_on"] == "connect-failure", route


def test_envoy_would_refuse_a_wrong_one(tmp_path: Path) -> None:
    document = configuration()
    document["static_resources"]["clusters"] = document["static_resources"]["clusters"][1:]
    assert validate(document, tmp_path).returncode != 0


def test_only_reads_are_sent_again_after_the_application_may_have_seen_them() -> None:
    for route in (one for one in virtual_host(())["routes"] if "route" in one):
        policy = route["route"]["retry_policy"]
        assert policy["num_retries"] <= 3
        if route["route"]["cluster"] == "write_api" and "GET" not in json.dumps(route["match"]):
            assert policy["retry_on"] == "connect-failure", route


def test_every_answer_of_the_gateway_is_a_problem_of_the_catalogue() -> None:
    manager = configuration()["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    mappers = manager["local_reply_config"]["mappers"]
    assert {401, 404, 413, 503, 504} <= {mapper["status_code"] for mapper in mappers}
    for mapper in mappers:
        body = mapper["body_format_override"]
        assert body["content_type"] == problems.PROBLEM_MEDIA_TYPE
        assert body["json_format"]["type"].startswith(problems.PROBLEM_TYPE_PREFIX)


@pytest.mark.parametrize("limit", ["max_request_headers_kb", "request_timeout", "stream_idle_timeout"])
def test_the_gateway_has_limits(limit: str) -> None:
    manager = configuration()["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    assert manager[limit]


@pytest.mark.parametrize(("others", "believed"), [((), 0), ((at(20007),), 1)])
def test_of_the_addresses_that_a_request_names_only_the_balancers_is_believed(
    others: tuple[Address, ...], believed: int
) -> None:
    listener = configuration(*others)["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["use_remote_address"] is True
    assert manager["xff_num_trusted_hops"] == believed


def test_of_the_key_service_only_the_key_set_is_reached_from_outside() -> None:
    """Introspection tells of other people: it is for the region's own services and for operators."""
    routes = virtual_host(())["routes"]
    matches = [one["match"] for one in routes if one.get("route", {}).get("cluster") == "mini_auth"]
    assert [match["path"] for match in matches] == ["/.well-known/jwks.json"]
