"""Who passes the gateway, by what their token says; and that no spelling of a request gets around it."""

import re
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contracts import problems
from contracts.api_keys import API_KEY_HEADER
from contracts.token_claims import ROLES
from mini_auth.guest_links import GUEST_LINK_HEADER
from mini_auth.permissions import HOST_EVENTS, Anyone, Permission, Public, declared_permissions
from read_api.app import create_app as create_read_api
from read_api.settings import ReadApiSettings
from regions.gateway.routes import IDENTITY_HEADERS
from regions.gateway.tokens import OTHER_CREDENTIALS, ROLE_RULES, WRITES
from tests.integration.gateway.edge import (
    Gateway,
    assert_problem,
    bearer,
    jwks,
    raw_answer,
    running_gateway,
    token,
)
from tests.people import unique, wait_for
from tests.unit.write_api.test_write_settings import GOOD
from write_api.app import create_app as create_write_api
from write_api.settings import WriteApiSettings

WRITE_API_SETTINGS = WriteApiSettings(**GOOD)
READ_API_SETTINGS = ReadApiSettings(
    **WRITE_API_SETTINGS.model_dump(include=set(ReadApiSettings.model_fields)),
    elasticsearch="http://127.0.0.1:1",
)
APPLICATIONS = {
    "write_api": create_write_api(WRITE_API_SETTINGS),
    "read_api": create_read_api(READ_API_SETTINGS),
}
ROUTES = [
    (name, method, re.sub(r"{[a-z_]+}", "7", context.path), permission)
    for name, app in APPLICATIONS.items()
    for context, permission in declared_permissions(app)
    if context.path.startswith("/api/") and context.original_route.include_in_schema
    for method in sorted(context.methods or ())
]


@pytest.mark.parametrize(("name", "method", "path", "permission"), ROUTES, ids=str)
def test_the_gateway_lets_pass_whom_the_application_does(
    gateway: Gateway, name: str, method: str, path: str, permission: Permission
) -> None:
    """It may leave a decision to the application, and never decides otherwise."""
    body = {} if method in WRITES else None
    asked_for = permission.roles
    ruled = any(path == rule.path or path.startswith(f"{rule.path}/") for rule in ROLE_RULES)
    for role in sorted(ROLES):
        answer = gateway.ask(method, path, headers=bearer(roles=[role]), json=body)
        refused = bool(asked_for) and role not in asked_for
        if answer.status_code == 403:
            assert refused, f"{role} is refused by the gateway alone"
            assert answer.json()["type"] == problems.FORBIDDEN.uri
        else:
            assert not (refused and ruled), f"{role} is not refused by the gateway"
            assert answer.json()["application"] == name
    without = gateway.ask(method, path, json=body)
    assert without.status_code == 200 or not isinstance(permission, Public | Anyone)
    for credential in OTHER_CREDENTIALS if permission.scope else ():
        answer = gateway.ask(method, path, headers={credential: "frontrow_key_x"}, json=body)
        assert answer.json()["application"] == name
        assert answer.json()["headers"][credential] == "frontrow_key_x"


def test_the_routes_that_need_a_role_are_among_them() -> None:
    assert [one for one in ROUTES if one[3] is HOST_EVENTS]


def test_the_gateway_and_the_applications_know_the_same_credentials() -> None:
    assert (API_KEY_HEADER.lower(), GUEST_LINK_HEADER.lower()) == OTHER_CREDENTIALS


@pytest.mark.parametrize(
    ("method", "path", "roles", "detail"),
    [
        ("POST", "/api/v1/events", ["customer"], "This needs an account with the role host."),
        ("DELETE", "/api/v1/events/7", ["admin", "scanner"], "This needs an account with the role host."),
        ("GET", "/api/v1/admin/x", ["host"], "This needs an account with the role admin or superadmin."),
        ("PUT", "/api/v1/admin", ["customer"], "This needs an account with the role admin or superadmin."),
    ],
)
def test_who_lacks_a_role_is_told_in_the_words_of_the_applications(
    gateway: Gateway, method: str, path: str, roles: list[str], detail: str
) -> None:
    answer = gateway.ask(method, path, headers=bearer(roles=roles))
    assert_problem(answer, 403, "forbidden")
    assert answer.json()["detail"] == detail
    assert not any(one.received for one in gateway.applications.values())


def test_one_of_several_roles_is_enough(gateway: Gateway) -> None:
    assert (
        gateway.ask("POST", "/api/v1/events", headers=bearer(roles=["customer", "host"])).status_code == 200
    )
    for role in ("admin", "superadmin"):
        assert gateway.ask("GET", "/api/v1/admin/x", headers=bearer(roles=[role])).status_code == 200


def test_another_credential_saves_no_bad_token(gateway: Gateway) -> None:
    for credential in OTHER_CREDENTIALS:
        for path in ("/api/v1/bookings", "/api/v1/admin/x", "/api/v1/events/7"):
            headers = {credential: "x", "authorization": f"Bearer {token()[:-4]}AAAA"}
            assert_problem(gateway.ask("GET", path, headers=headers), 401, "token-invalid")
            assert_problem(
                gateway.ask("GET", path, headers={credential: "x", **bearer(aud="another-api")}),
                401,
                "token-invalid",
            )
    assert not any(one.received for one in gateway.applications.values())


def test_a_token_of_a_key_that_is_gone_is_refused(tmp_path: Path) -> None:
    """One that the gateway remembers passes until it expires, and is refused by the application (0110)."""
    with running_gateway(tmp_path) as gateway:
        assert gateway.ask("GET", "/api/v1/bookings", headers=bearer()).status_code == 200
        gateway.applications["mini_auth"].published = jwks(ec.generate_private_key(ec.SECP256R1()))
        wait_for(
            "the token is refused",
            lambda: (
                gateway.ask("GET", "/api/v1/bookings", headers=bearer(jti=unique("x"))).status_code == 401
            ),
        )


def test_a_remembered_token_expires(gateway: Gateway) -> None:
    """Within the skew that is allowed for: it is good now, and has expired a second later."""
    headers = bearer(iat=int(time.time()) - 60, exp=int(time.time()) - 3)
    assert gateway.ask("GET", "/api/v1/bookings", headers=headers).status_code == 200
    wait_for(
        "the token is refused",
        lambda: gateway.ask("GET", "/api/v1/bookings", headers=headers).status_code == 401,
    )


ADMINISTRATION = re.compile(r"/api/v1/admin(/.*)?$", re.DOTALL)
"""As Starlette matches: with `$`, which a line's end may follow."""
SPELLINGS = [
    "/api/v1/%61dmin/people",
    "/api/v1/%61%64%6d%69%6e/people",
    "/%61pi/v1/admin/people",
    "/api/v1/%2561dmin/people",
    "/api/v1/admin%2fpeople",
    "/api/v1%2Fadmin/people",
    "/api%2Fv1%2Fadmin%2Fpeople",
    "//api/v1/admin/people",
    "/api//v1///admin//people",
    "/api/v1/./admin/people",
    "/api/v1/%2e/admin/people",
    "/api/v1/events/../admin/people",
    "/api/v1/events/%2e%2e/admin/people",
    "/api/v1/events/.%2E/admin/people",
    "/api/v1/events/%252e%252e/admin/people",
    "/api/v1/events/..%2fadmin/people",
    "/api/v1/events/..;/admin/people",
    "/api/v1/admin;x=1/people",
    "/api/v1;/admin/people",
    "/api/v1/admin\\people",
    "/api/v1\\admin/people",
    "/api/v1/events\\..\\admin/people",
    "/api/v1/admin%5cpeople",
    "/API/V1/ADMIN/people",
    "/api/v1/Admin/people",
    "/api/v1/admin%00/people",
    "/api/v1/admin%0a/people",
    "/api/v1/admin%0a",
    "/api/v1/admin%7f/people",
    "/api/v1/admin%20",
    "/api/v1/admin/people%23x",
    "/api/v1/admin/people%3Fx",
    "/api/v1/admin/",
    "/api/v1/admin?x=/docs",
    "/api/v1/admin#/docs",
    "/docs?x=/../api/v1/admin",
    "/docs/../api/v1/admin/people",
    "/api/v1/\uff41dmin/people",
    "/api/v1/%ef%bd%81dmin/people",
    "/api/v1/%c0%ae%c0%ae/admin/people",
    "http://elsewhere/api/v1/admin/people",
    "http://elsewhere//api/v1/%61dmin/people",
    "HTTP://elsewhere/docs/../api/v1/admin/people",
]  # fmt: skip


@pytest.mark.parametrize("target", SPELLINGS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_an_application_takes_for_administration_the_gateway_does_too(
    gateway: Gateway, method: str, target: str
) -> None:
    """An application reads a path as uvicorn hands it on: decoded once, its query cut off."""
    authorization = bearer(roles=["customer", "host"])["authorization"]
    request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
    raw_answer(gateway, f"{request}Content-Length: 0\r\n\r\n".encode(), of_a_problem=False)
    for one in gateway.applications.values():
        for received in one.received:
            path = unquote(received.split(" ", 1)[1].partition("?")[0])
            assert not ADMINISTRATION.match(path), received
            assert "/../" not in path
            assert "//" not in path


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: 4, 5",
        b"Content-Length: +4",
        b"Content-Length: 0x4",
        b"Content-Length: -1",
        b"Content-Length : 4",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer_Encoding: chunked",
        b"X-Sub\x00: 1",
        b"X_Sub: 1",
    ],
)
def test_a_request_that_two_readers_would_read_differently_reaches_nobody(
    gateway: Gateway, lines: bytes
) -> None:
    inner = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    status, _ = raw_answer(
        gateway, b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n0\r\n\r\n" + inner
    )
    assert status in {400, 501}
    assert not any(one.received for one in gateway.applications.values())


def test_a_folded_line_is_no_header_of_its_own(gateway: Gateway) -> None:
    """As RFC 9112 has it: the gateway hands it on as one line, so that nobody can read two."""
    status, told = raw_answer(
        gateway,
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nX-Plain: 1\r\n x-sub: 2\r\nContent-Length: 0\r\n\r\n",
        of_a_problem=False,
    )
    assert status == 200
    assert told["headers"]["x-plain"].split() == ["1", "x-sub:", "2"]
    assert "x-sub" not in told["headers"]


def test_two_tokens_are_none(gateway: Gateway) -> None:
    admin, customer = bearer(roles=["admin"]), bearer(roles=["customer"])
    for first, second in ((admin, customer), (customer, admin), (customer, customer)):
        headers = [("authorization", one["authorization"]) for one in (first, second)]
        assert gateway.ask("GET", "/api/v1/admin/x", headers=headers).status_code in {401, 403}
    assert not any(one.received for one in gateway.applications.values())


@pytest.mark.parametrize("name", [*IDENTITY_HEADERS, "x-envoy-external-address", "x-envoy-internal"])
def test_no_word_of_ours_comes_in_from_outside(gateway: Gateway, name: str) -> None:
    """However it is written, also twice."""
    for form in (name, name.upper(), name.title()):
        headers = [*bearer().items(), (form, "forged-1"), (form, "forged-2")]
        answer = gateway.ask("GET", "/api/v1/bookings", headers=headers)
        assert "forged" not in answer.text


def test_the_address_that_an_application_is_told_is_the_peers(gateway: Gateway) -> None:
    forged = {
        "x-forwarded-for": "203.0.113.9",
        "x-envoy-external-address": "203.0.113.9",
        "x-real-ip": "203.0.113.9",
    }
    told = gateway.ask("GET", "/docs", headers=forged).json()["headers"]
    assert told["x-envoy-external-address"] == "127.0.0.1"
    assert told["x-forwarded-for"].split(",")[-1].strip() != "203.0.113.9"
