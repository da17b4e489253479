"""A real Envoy with the platform's configuration, before applications that tell what they received."""

import base64
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.problems import PROBLEM_MEDIA_TYPE, PROBLEM_TYPE_PREFIX
from regions.catalogue import Address, Edge, load_catalogue
from regions.gateway.configuration import GatewayAddresses, gateway_configuration
from tests.conftest import free_port_offset
from tests.people import wait_for

KEY = ec.generate_private_key(ec.SECP256R1())
JWKS_PATH = "/.well-known/jwks.json"
ORIGIN = "https://tickets.example"
EDGE = Edge(allowed_origins=(ORIGIN,), request_limits_times=1000)


def jwks(key: ec.EllipticCurvePrivateKey = KEY) -> dict[str, Any]:
    public = key.public_key().public_numbers()
    x, y = (
        base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in (public.x, public.y)
    )
    return {
        "keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k1", "use": "sig", "x": x, "y": y}]
    }


def token(**changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "https://frontrow.local",
        "aud": "frontrow-api",
        "sub": "1",
        "roles": ["customer", "host"],
        "iat": now,
        "exp": now + 300,
    }
    return jwt.encode({**claims, **changes}, KEY, algorithm="ES256", headers={"kid": "k1", "typ": "at+jwt"})


@dataclass
class Application:
    """An application that answers with what it has received, or with a status that the test has set."""

    name: str
    server: ThreadingHTTPServer
    status: int = 200
    seconds: float = 0.0
    answer_headers: dict[str, str] = field(default_factory=dict)
    published: dict[str, Any] | None = None
    """Its key set, if it is not the usual one."""
    received: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    application: Application

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        application = self.application
        if self.path == JWKS_PATH:
            status, answer = 200, json.dumps(application.published or jwks()).encode()
        else:
            application.received.append(f"{self.command} {self.path}")
            time.sleep(application.seconds)
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = {
                "application": application.name,
                "path": self.path,
                "headers": headers,
                "body_bytes": len(body),
            }
            status, answer = application.status, json.dumps(told).encode()
        self.send_response(status)
        for name, value in application.answer_headers.items() if self.path != JWKS_PATH else ():
            self.send_header(name, value.replace("{path}", self.path))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Tests print nothing."""


@dataclass
class Gateway:
    url: str
    applications: dict[str, Application]

    def afresh(self) -> "Gateway":
        """The same, its applications as they were at first."""
        for one in self.applications.values():
            one.status, one.seconds, one.answer_headers = 200, 0.0, {}
            one.received.clear()
        return self

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", timeout=20, **arguments)


def application(name: str, port: int) -> Application:
    handler = type(f"{name}Handler", (Handler,), {})
    found = Application(name, ThreadingHTTPServer(("127.0.0.1", port), handler))
    found.server.daemon_threads = True
    handler.application = found  # type: ignore[attr-defined]
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    return found


@contextmanager
def running_gateway(
    folder: Path,
    *,
    with_another_region: bool = False,
    edge: Edge = EDGE,
    change: Callable[[Any], None] = lambda _: None,
) -> Iterator[Gateway]:
    """The gateway of eu, alone or with us, before applications of the test's own.

    `change` may alter its configuration, as to make a time shorter than a test would like to wait for.
    """
    catalogue = load_catalogue().shifted(free_port_offset(("eu", "us")))
    names = ("write_api", "read_api", "mini_auth")
    listeners = (catalogue.address("eu", "gateway"), catalogue.front_door)
    where = {name: catalogue.address("eu", name) for name in names}
    applications = {name: application(name, address.port) for name, address in where.items()}
    elsewhere: tuple[Address, ...] = ()
    if with_another_region:
        elsewhere = (catalogue.address("us", "write_api"),)
        applications["other_write_api"] = application("other_write_api", elsewhere[0].port)
    addresses = GatewayAddresses(
        listeners, catalogue.address("eu", "gateway_admin"), **where, other_write_apis=elsewhere
    )
    configuration = gateway_configuration("eu", addresses, edge, str(folder / "access.log"))
    change(configuration)
    try:
        with running_envoy(configuration, folder):
            yield Gateway(f"http://{catalogue.front_door}", applications)
    finally:
        for one in applications.values():
            one.server.shutdown()
            one.server.server_close()


@contextmanager
def running_envoy(configuration: Any, folder: Path) -> Iterator[int]:
    """An Envoy of one worker thread, ready; answers its process id. Its files are in `folder`."""
    folder.mkdir(exist_ok=True)
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration))
    program = Path(str(find_spec("envoy").origin)).parent / "_bin/envoy"  # type: ignore[union-attr]
    command = [program, "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    with (folder / "envoy.log").open("wb") as log:
        envoy = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
    admin = configuration["admin"]["address"]["socket_address"]
    try:
        wait_for("Envoy is ready", lambda: is_ready(Address(admin["address"], admin["port_value"])))
        yield envoy.pid
    finally:
        envoy.terminate()
        envoy.wait(timeout=10)


def is_ready(admin: Address) -> bool:
    try:
        return httpx.get(f"http://{admin}/ready", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def bearer(**changes: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {token(**changes)}"}


def assert_problem(answer: httpx.Response, status: int, name: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = answer.json()
    assert problem["type"] == PROBLEM_TYPE_PREFIX + name
    assert problem["status"] == status
    assert problem["title"]


def raw_answer(gateway: Gateway, request: bytes, *, of_a_problem: bool = True) -> tuple[int, dict[str, Any]]:
    """The status and the body, a problem, that bytes which no HTTP client would send are answered with."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        assert not of_a_problem or answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
        return answer.status, json.loads(answer.read())
