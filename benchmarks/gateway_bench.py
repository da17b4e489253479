"""What the token check costs the gateway: the real Envoy with its generated configuration, with and without.

Needs no platform. Two gateways, alike but for the filter `jwt_authn`, take turns before the same application:
another Envoy that answers each request at once. The load comes from `gateway_load.py`, in this process. A
third gateway verifies each signature anew, as it would without its memory of good tokens (0110).
"""

import copy
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.figures import describe_run, goal_line, keep, say
from benchmarks.gateway_load import END_OF_ANSWER, Load, load
from contracts.token_claims import access_token_claims
from regions.catalogue import MAX_LIMITS_TIMES, Address, Catalogue, Edge, load_catalogue
from regions.gateway.configuration import GatewayAddresses, gateway_configuration
from regions.gateway.tokens import TOKEN_AUDIENCE, TOKEN_ISSUER
from tests.conftest import free_port_offset
from tests.integration.gateway.edge import running_envoy
from tests.people import wait_for
from tests.tokens import SigningKey, es256_key

NAME = "gateway"
ROUNDS = 9
ROUND_SECONDS = 2.0
PEOPLE = 200
PATH = "/api/v1/bookings"
GOAL = 0.8
TOKEN_CHECK = "envoy.filters.http.jwt_authn"
GATEWAYS = ("with", "without", "forgetful")


def run(*, save: bool = False) -> dict[str, Any]:
    """Measures, prints, and answers the figures; `save` keeps them."""
    say("The gateway with and without jwt_authn, one thread each, before an application that does nothing")
    figures = describe_run()
    with tempfile.TemporaryDirectory(prefix="frontrow-gateway-") as folder, gateways(Path(folder)) as found:
        loads: dict[str, list[Load]] = {name: [] for name in GATEWAYS}
        busy: dict[str, list[float]] = {name: [] for name in GATEWAYS}
        for name in GATEWAYS:
            found[name].load(0.5)  # connections to the application, and the memory of tokens
        for _ in range(ROUNDS):
            for name in GATEWAYS:
                before = found[name].cpu_seconds()
                loads[name].append(found[name].load(ROUND_SECONDS))
                busy[name].append((found[name].cpu_seconds() - before) / loads[name][-1].seconds)
    for name in GATEWAYS:
        figures |= {
            f"{name}_per_second": round(statistics.median(one.per_second for one in loads[name])),
            f"{name}_busy_percent_of_a_core": round(100 * statistics.median(busy[name])),
            f"{name}_load_generator_percent_of_a_core": round(
                100 * statistics.median(one.own_cpu_seconds / one.seconds for one in loads[name])
            ),
        }
        say(
            f"  {name:10} {figures[f'{name}_per_second']:>8} requests a second, Envoy busy for "
            f"{figures[f'{name}_busy_percent_of_a_core']} % of a core, "
            f"the load generator for {figures[f'{name}_load_generator_percent_of_a_core']} %"
        )
    figures["with_times_without"] = ratio(loads["with"], loads["without"])
    figures["forgetful_times_without"] = ratio(loads["forgetful"], loads["without"])
    say(goal_line("with / without, requests a second", figures["with_times_without"], GOAL))
    say(
        f"  {'forgetful / without':36}{figures['forgetful_times_without']:>10}   each signature verified anew"
    )
    # The same of what Envoy itself used: other work on the machine changes that less.
    used = {
        name: statistics.median(
            share * one.seconds / one.requests for share, one in zip(busy[name], loads[name], strict=True)
        )
        for name in GATEWAYS
    }
    for name in GATEWAYS:
        figures[f"{name}_cpu_microseconds_a_request"] = round(used[name] * 1e6, 1)
    figures["with_times_without_by_cpu"] = round(used["without"] / used["with"], 3)
    say(f"  {'with / without, by CPU a request':36}{figures['with_times_without_by_cpu']:>10}")
    if save:
        keep(NAME, figures)
    return figures


def ratio(some: list[Load], others: list[Load]) -> float:
    """Of each round, the one after the other; the middle of them."""
    return round(
        statistics.median(one.per_second / other.per_second for one, other in zip(some, others, strict=True)),
        3,
    )


class RunningGateway:
    """A gateway, and requests that it answers from the application behind it."""

    def __init__(self, address: Address, process_id: int, requests: list[bytes]) -> None:
        self._address = address
        self._process = psutil.Process(process_id)
        self._requests = requests

    def load(self, seconds: float) -> Load:
        """Asks for as long as said."""
        return load(self._address.host, self._address.port, self._requests, seconds=seconds)

    def cpu_seconds(self) -> float:
        """What it has used until now."""
        used = self._process.cpu_times()
        return used.user + used.system


@contextmanager
def gateways(folder: Path) -> Iterator[dict[str, RunningGateway]]:
    """All of them, ready."""
    key = es256_key("key-1")
    requests = [request(key, person_id) for person_id in range(1, PEOPLE + 1)]
    regions = ("eu", "us", "ap")
    catalogue = load_catalogue().shifted(free_port_offset(regions))
    application = catalogue.address("eu", "read_api")
    with ExitStack() as stack:
        admin = catalogue.address("eu", "indexer")
        stack.enter_context(
            running_envoy(application_that_does_nothing(application, admin, key), folder / "application")
        )
        found = {}
        for name, region in zip(GATEWAYS, regions, strict=True):
            configuration = configuration_of(name, catalogue, region, application, folder / f"{name}.log")
            address = catalogue.address(region, "gateway")
            process_id = stack.enter_context(running_envoy(configuration, folder / name))
            token = requests[0].partition(b"Bearer ")[2].partition(b"\r\n")[0].decode()
            wait_for(
                f"the gateway {name} knows the key", lambda at=address, token=token: is_answered(at, token)
            )
            found[name] = RunningGateway(address, process_id, requests)
        yield found


def request(key: SigningKey, person_id: int) -> bytes:
    """A signed-in person's request, as a browser sends it."""
    claims = access_token_claims(
        issuer=TOKEN_ISSUER,
        audience=TOKEN_AUDIENCE,
        person_id=person_id,
        roles=["customer"],
        session_id=person_id,
        token_id=f"token-{person_id}",
        now=datetime.now(UTC),
    )
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: frontrow.test\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {key.sign(claims)}\r\n\r\n"
    ).encode()


def is_answered(address: Address, token: str) -> bool:
    """Whether a request gets through to the application."""
    answer = httpx.get(f"http://{address}{PATH}", headers={"Authorization": f"Bearer {token}"}, timeout=5)
    return answer.content.endswith(END_OF_ANSWER)


def configuration_of(
    name: str, catalogue: Catalogue, region: str, application: Address, access_log: Path
) -> dict[str, Any]:
    """The generated configuration; without its token check, or without that one's memory, if so named."""
    addresses = GatewayAddresses(
        listeners=(catalogue.address(region, "gateway"),),
        admin=catalogue.address(region, "gateway_admin"),
        write_api=application,
        read_api=application,
        mini_auth=application,
    )
    # All requests come from one address and few people; limits are counted, and not reached.
    edge = Edge(request_limits_times=MAX_LIMITS_TIMES)
    document = copy.deepcopy(gateway_configuration(region, addresses, edge, str(access_log)))
    listener = document["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["access_log"] = []  # as on a busy gateway, which notes only what failed or was slow
    if name == "without":
        manager["http_filters"] = [one for one in manager["http_filters"] if one["name"] != TOKEN_CHECK]
    if name == "forgetful":
        (check,) = (one for one in manager["http_filters"] if one["name"] == TOKEN_CHECK)
        for provider in check["typed_config"]["providers"].values():
            del provider["jwt_cache_config"]
    return document


def application_that_does_nothing(address: Address, admin: Address, key: SigningKey) -> dict[str, Any]:
    """An Envoy that answers everything at once, and knows the key."""
    keys = {"keys": [{**key.row["public_jwk"], "kid": key.key_id, "alg": key.algorithm, "use": "sig"}]}
    routes = [
        (("path", "/.well-known/jwks.json"), json.dumps(keys)),
        (("prefix", "/"), "{}" + " " * 500 + END_OF_ANSWER.decode()),
    ]
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "application",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": dict([match]),
                            "direct_response": {"status": 200, "body": {"inline_string": body}},
                        }
                        for match, body in routes
                    ],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    socket_address = {"socket_address": {"address": address.host, "port_value": address.port}}
    connections = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "admin": {"address": {"socket_address": {"address": admin.host, "port_value": admin.port}}},
        "static_resources": {
            "listeners": [{"address": socket_address, "filter_chains": [{"filters": [connections]}]}]
        },
    }
