"""Tokens in a whole region: issued by write_api, published by mini_auth, verified by everyone alone."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import jwt
import pytest

from tests.conftest import Platform
from tests.people import People, Person
from tests.tokens import eddsa_key, es256_key


def token_of(person: Person) -> str:
    return str(person.client.headers["Authorization"]).removeprefix("Bearer ")


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forgeries(token: str) -> dict[str, str]:
    """Tokens that look like `token` and are not."""
    header, payload, signature = token.split(".")
    members = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    flipped = "A" if signature[10] != "A" else "B"
    return {
        "another payload": f"{header}.{part({**claims, 'roles': ['superadmin']})}.{signature}",
        "another signature": f"{header}.{payload}.{signature[:10]}{flipped}{signature[11:]}",
        "no signature": f"{part({**members, 'alg': 'none'})}.{payload}.",
        "a stranger's ES256 key": es256_key(members["kid"]).sign(claims),
        "a stranger's EdDSA key": eddsa_key(members["kid"]).sign(claims),
        "an unknown key": es256_key("another").sign(claims),
        "no token": "x",
    }


def get(url: str, token: str) -> httpx.Response:
    return httpx.get(
        f"{url}/api/v1/events?page_size=1", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )


@pytest.fixture(scope="module")
def person(platform: Platform) -> Iterator[Person]:
    with closing(People(platform.gateway_url, platform.link_key)) as people:
        yield people.sign_up("customer", "host")


def test_the_published_keys_verify_a_token_and_hold_nothing_private(
    platform: Platform, person: Person
) -> None:
    answer = httpx.get(f"{platform.gateway_url}/.well-known/jwks.json", timeout=10)
    assert answer.headers["cache-control"] == "public, max-age=2"
    keys = answer.json()["keys"]
    assert keys
    assert not [key for key in keys if set(key) & {"d", "k", "p", "q"}]
    token = token_of(person)
    header = jwt.get_unverified_header(token)
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=[key["alg"]], audience="frontrow-api")
    assert (header["typ"], claims["roles"], claims["exp"] - claims["iat"]) == (
        "at+jwt",
        ["customer", "host"],
        300,
    )


def test_the_readers_application_takes_a_good_token_on_its_own(platform: Platform, person: Person) -> None:
    for url in (platform.gateway_url, f"http://{platform.address('read_api')}"):
        assert get(url, token_of(person)).status_code == 200


@pytest.mark.parametrize("name", sorted(forgeries(es256_key("key").sign({"sub": "1"}))))
def test_a_forged_token_is_refused_at_the_gateway_and_behind_it(
    platform: Platform, person: Person, name: str
) -> None:
    forged = forgeries(token_of(person))[name]
    booking = {"event_id": 1, "quantity": 1}
    headers = {"Authorization": f"Bearer {forged}"}
    for url in (platform.gateway_url, f"http://{platform.address('read_api')}"):
        answer = get(url, forged)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), url
    for url in (platform.gateway_url, f"http://{platform.address('write_api')}"):
        answer = httpx.post(f"{url}/api/v1/bookings", json=booking, headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), url


def test_keys_are_published_while_the_primary_is_away(platform: Platform, person: Person) -> None:
    platform.kill("write_api")
    try:
        assert httpx.get(f"{platform.gateway_url}/.well-known/jwks.json", timeout=10).json()["keys"]
        assert get(platform.gateway_url, token_of(person)).status_code == 200
    finally:
        platform.up("write_api")
