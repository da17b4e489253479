"""Tokens that we never issued: each is refused, by an answer that does not repeat it."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from contracts.api_keys import new_api_key
from contracts.token_claims import ClaimsError, identity_from_claims
from mini_auth.guest_links import GuestLinkDesk
from mini_auth.verifier import MAX_TOKEN_BYTES, TokenRefusedError
from tests.tokens import Desk, SigningKey, eddsa_key, es256_key, make_desk
from write_api.sessions.refresh_tokens import RefreshToken, RefreshTokens

DESK = make_desk(eddsa_key("key-1"))
DESK_TOKEN = DESK.token()


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def header(desk: Desk, **changes: Any) -> dict[str, Any]:
    members = {"alg": desk.key.algorithm, "kid": desk.key.key_id, "typ": "at+jwt", **changes}
    return {name: value for name, value in members.items() if value is not ...}


def sign_bytes(desk: Desk, header_bytes: bytes, payload_bytes: bytes) -> str:
    """A token whose signature is right, whatever its parts say."""
    signed = f"{part(header_bytes)}.{part(payload_bytes)}"
    algorithm = jwt.get_algorithm_by_name(desk.key.algorithm)
    return f"{signed}.{part(algorithm.sign(signed.encode(), desk.key.private_key))}"


def signed(desk: Desk, header_members: object, claims: object) -> str:
    return sign_bytes(desk, json.dumps(header_members).encode(), json.dumps(claims).encode())


def hmac_with(desk: Desk, secret: bytes) -> str:
    """Algorithm confusion: something that anybody has, taken as an HMAC secret."""
    text = f"{part(header(desk, alg='HS256'))}.{part(desk.claims())}"
    code = hmac.HMAC(secret, hashes.SHA256())
    code.update(text.encode())
    return f"{text}.{part(code.finalize())}"


def hmac_with_public_key(desk: Desk, form: serialization.Encoding) -> str:
    layout = serialization.PublicFormat.SubjectPublicKeyInfo
    return hmac_with(desk, desk.key.private_key.public_key().public_bytes(form, layout))


def with_claim_twice(desk: Desk) -> str:
    payload = json.dumps(desk.claims()).encode()
    return sign_bytes(desk, json.dumps(header(desk)).encode(), payload[:-1] + b', "sub": "1"}')


def with_header_twice(desk: Desk) -> str:
    text = json.dumps(header(desk)).encode()
    return sign_bytes(desk, text[:-1] + b', "alg": "none"}', json.dumps(desk.claims()).encode())


def other_algorithm(desk: Desk) -> str:
    """The right key id, signed by a stranger's key of the other algorithm."""
    make = es256_key if desk.key.algorithm == "EdDSA" else eddsa_key
    return make(desk.key.key_id).sign(desk.claims())


def stranger(desk: Desk) -> str:
    make = eddsa_key if desk.key.algorithm == "EdDSA" else es256_key
    return make(desk.key.key_id).sign(desk.claims())


def other_payload(desk: Desk) -> str:
    head, _, signature = desk.token().split(".")
    return f"{head}.{part(desk.claims(sub='1', roles=['superadmin']))}.{signature}"


def padded(desk: Desk) -> str:
    return desk.token() + "="


def embedded_key(desk: Desk) -> str:
    attacker = SigningKey(desk.key.key_id, "ES256", ec.generate_private_key(ec.SECP256R1()))
    return attacker.sign(desk.claims(), jwk=attacker.row["public_jwk"])


def with_signature(desk: Desk, signature: bytes) -> str:
    return f"{desk.token().rpartition('.')[0]}.{part(signature)}"


def of_another_environment(desk: Desk, **claims: Any) -> str:
    """Good there: signed by its own key, which is none of ours."""
    make = es256_key if desk.key.algorithm == "ES256" else eddsa_key
    return make("key-of-staging").sign(desk.claims(**claims))


def encrypted_form(desk: Desk) -> str:
    """Five parts, as an encrypted token has."""
    return ".".join([part(header(desk, alg="dir", enc="A256GCM")), "", *([part(b"x" * 16)] * 3)])


def json_form(desk: Desk) -> str:
    """The same token in the JSON serialization of RFC 7515."""
    protected, payload, signature = desk.token().split(".")
    return json.dumps({"payload": payload, "protected": protected, "signature": signature})


FORGED: dict[str, Callable[[Desk], str]] = {
    "alg none, no signature": lambda d: f"{part(header(d, alg='none'))}.{part(d.claims())}.",
    "alg NONE, with signature": lambda d: signed(d, header(d, alg="NONE"), d.claims()),
    "HS256 with the public key as PEM": lambda d: hmac_with_public_key(d, serialization.Encoding.PEM),
    "HS256 with the public key as DER": lambda d: hmac_with_public_key(d, serialization.Encoding.DER),
    "HS256 with the public key as JWK": lambda d: hmac_with(d, json.dumps(d.key.row["public_jwk"]).encode()),
    "HS256 with nothing": lambda d: hmac_with(d, b""),
    "a signature of zeros": lambda d: with_signature(d, bytes(64)),
    "a signature of ones": lambda d: with_signature(d, b"\xff" * 64),
    "a signature in DER": lambda d: with_signature(d, b"\x30\x06\x02\x01\x00\x02\x01\x00"),
    "another environment": lambda d: of_another_environment(d, iss="https://staging.frontrow.test"),
    "another environment under our name": of_another_environment,
    "our key for another environment": lambda d: d.token(iss="https://staging.frontrow.test"),
    "an encrypted token": encrypted_form,
    "JSON serialization": json_form,
    "a refresh token": lambda _: RefreshTokens(b"secret").write(RefreshToken(70, 1)),
    "an API key": lambda _: new_api_key().text,
    "a guest's link": lambda _: GuestLinkDesk(b"secret").write(7, now=datetime.now(UTC))[0],
    "no signature": lambda d: d.token().rpartition(".")[0] + ".",
    "the signature of another token": lambda d: (
        d.token().rpartition(".")[0] + "." + d.token(sub="8").rpartition(".")[2]
    ),
    "a stranger's key": stranger,
    "another algorithm": other_algorithm,
    "another algorithm, named wrongly": lambda d: signed(d, header(d, alg="ES384"), d.claims()),
    "a key inside the header": embedded_key,
    "a tampered payload": other_payload,
    "padding": padded,
    "four parts": lambda d: d.token() + ".e30",
    "two parts": lambda d: d.token().rpartition(".")[0],
    "nothing": lambda _: "",
    "only dots": lambda _: "..",
    "a character outside of ASCII": lambda d: "é" + d.token(),
    "1 MB": lambda d: d.token() + "A" * 1_000_000,
    "a megabyte of dots": lambda _: "." * 1_000_000,
    "a payload just over the limit": lambda d: signed(d, header(d), d.claims(more="x" * MAX_TOKEN_BYTES)),
    "JSON nested too deep": lambda d: sign_bytes(d, b"[" * 4000, b"{}"),
    "a payload nested too deep": lambda d: sign_bytes(d, json.dumps(header(d)).encode(), b"[" * 4000),
    "a header that is a list": lambda d: signed(d, ["alg", "kid", "typ"], d.claims()),
    "a payload that is a list": lambda d: signed(d, header(d), [d.claims()]),
    "a payload that is no JSON": lambda d: sign_bytes(d, json.dumps(header(d)).encode(), b"\xff\xfe"),
    "a claim twice": with_claim_twice,
    "a header member twice": with_header_twice,
    **{
        f"kid {kid!r}": lambda d, kid=kid: signed(d, header(d, kid=kid), d.claims())  # type: ignore[misc]
        for kid in (
            ..., None, "", "key-2", "KEY-1", "key-1 ", "../../dev/null", "' OR 1=1 --", "key-1\x00", 1, True,
            ["key-1"], {"kid": "key-1"},
        )
    },
    **{
        f"typ {typ!r}": lambda d, typ=typ: signed(d, header(d, typ=typ), d.claims())  # type: ignore[misc]
        for typ in (..., None, "", "JWT", "rt+jwt", "refresh", "id+jwt", "logout+jwt", "AT+JWT", ["at+jwt"])
    },
    **{
        f"a header with {name}": lambda d, name=name: signed(d, header(d, **{name: "x"}), d.claims())  # type: ignore[misc]
        for name in ("crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "cty")
    },
}  # fmt: skip

WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "no issuer": {"iss": ...},
    "another issuer": {"iss": "https://frontrow.test.evil.example"},
    "a list of issuers": {"iss": ["https://frontrow.test"]},
    "no audience": {"aud": ...},
    "another audience": {"aud": "frontrow"},
    "a list of audiences": {"aud": ["frontrow-test", "another"]},
    "no expiry": {"exp": ...},
    "no time of issue": {"iat": ...},
    "expiry as text": {"exp": "4102444800"},
    "expiry true": {"exp": True},
    "expiry infinite": {"exp": float("inf")},
    "expiry not a number": {"exp": float("nan")},
    "expiry past the calendar": {"exp": 10**18},
    "expiry before issue": {"exp": 1},
    "not before as text": {"nbf": "0"},
    "not before null": {"nbf": None},
    "no subject": {"sub": ...},
    **{
        f"subject {sub!r}": {"sub": sub}
        for sub in (
            7,
            "",
            "0",
            "-7",
            "+7",
            "07",
            " 7",
            "7\n",
            "7.0",
            "1e3",
            "٧",  # noqa: RUF001 - an Arabic seven, which `int` would take
            "x",
            None,
            ["7"],
            str(2**63),
        )
    },
    **{
        f"roles {roles!r}": {"roles": roles}
        for roles in (..., None, [], "host", {"host": 1}, ["root"], ["host", None], ["host"] * 6, ["HOST"])
    },
    **{f"token id {jti!r}": {"jti": jti} for jti in (..., None, "", 7, "x" * 101, "a b", "a\x00")},
    "no client": {"client_id": ...},
}


def assert_refused(desk: Desk, token: str) -> None:
    with pytest.raises(TokenRefusedError) as refusal:
        desk.verifier.verify(token)
    assert refusal.value.__cause__ is None
    assert not [piece for piece in token.split(".") if len(piece) > 20 and piece in str(refusal.value)]


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(desk: Desk, name: str) -> None:
    desk.verifier.verify(desk.token())
    assert_refused(desk, FORGED[name](desk))


@pytest.mark.parametrize("name", WRONG_CLAIMS)
def test_a_well_signed_token_with_wrong_claims_is_refused(desk: Desk, name: str) -> None:
    assert_refused(desk, signed(desk, header(desk), desk.claims(**WRONG_CLAIMS[name])))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iat": -400, "exp": -100}, "expired"),
        ({"iat": 100, "exp": 400}, "not valid yet"),
        ({"nbf": 100}, "not valid yet"),
        ({"exp": 3601}, "good for"),
        ({"exp": 0}, "good for"),
    ],
)
def test_a_token_out_of_its_time_is_refused(desk: Desk, claims: dict[str, int], why: str) -> None:
    now = int(desk.clock.now)
    token = signed(
        desk, header(desk), desk.claims(**{name: now + seconds for name, seconds in claims.items()})
    )
    with pytest.raises(TokenRefusedError, match=why):
        desk.verifier.verify(token)


def test_the_helper_that_signs_bad_tokens_signs_good_ones_too(desk: Desk) -> None:
    """Otherwise the refusals above could all be of a signature that is wrong by mistake."""
    assert desk.verifier.verify(signed(desk, header(desk), desk.claims())).person_id == 7


@given(data=st.data())
def test_a_token_with_any_one_character_changed_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(DESK_TOKEN) - 1))
    character = data.draw(st.characters(codec="ascii").filter(lambda c: c != DESK_TOKEN[place]))
    assert_refused(DESK, DESK_TOKEN[:place] + character + DESK_TOKEN[place + 1 :])


@given(st.text(max_size=300))
def test_any_text_is_refused_and_breaks_nothing(text: str) -> None:
    assert_refused(DESK, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(DESK.claims())), value=JSON)
def test_any_value_of_any_claim_is_read_as_issued_or_refused(name: str, value: object) -> None:
    claims = DESK.claims(**{name: value})
    try:
        identity = identity_from_claims(claims)
    except ClaimsError:
        return
    assert (str(identity.person_id), sorted(identity.roles)) == (claims["sub"], sorted(set(claims["roles"])))
