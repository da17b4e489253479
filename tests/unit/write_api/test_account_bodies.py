"""Which e-mail addresses and passwords an account may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service_kit.email_address import folded_email
from write_api.accounts.schemas import SignUp
from write_api.sessions.schemas import Login

PASSWORD = "correct horse"


@pytest.mark.parametrize(
    "email",
    [
        "test@example.com",
        " test@example.com ",
        "o'hara+tickets@mail.example.co.uk",
        "jürgen@müller.de",
        "a@b.vn",
    ],
)
def test_addresses_that_people_have_are_taken(email: str) -> None:
    assert SignUp(email=email, password=PASSWORD).email == email.strip()


@pytest.mark.parametrize(
    "email",
    [
        "",
        "test",
        "test@",
        "@example.com",
        "test@example",
        "a@b@example.com",
        "te st@example.com",
        "test@exa mple.com",
        "test@.com",
        "test@-example.com",
        ".test@example.com",
        "te..st@example.com",
        "test\x00@example.com",
        "test\ud800@example.com",
        "test\u202e@example.com",
        "a" * 65 + "@example.com",
        "test@" + "a" * 250 + ".com",
        "test\uff20evil@example.com",
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused(email: object) -> None:
    with pytest.raises(ValidationError):
        SignUp.model_validate({"email": email, "password": PASSWORD})


@given(st.text())
def test_folding_is_stable_so_that_an_address_has_one_folded_form(text: str) -> None:
    assert folded_email(folded_email(text)) == folded_email(text)


def test_case_and_compatibility_forms_make_no_second_account() -> None:
    forms = ("Straße@Example.com", "STRASSE@EXAMPLE.COM", "\uff33trasse@example.com")
    assert len({folded_email(form) for form in forms}) == 1


@pytest.mark.parametrize("password", ["short", "x" * 129, 12345678, None, "\ud800" * 9])
def test_a_password_is_8_to_128_characters(password: object) -> None:
    with pytest.raises(ValidationError):
        SignUp.model_validate({"email": "test@example.com", "password": password})


def test_a_password_is_the_same_from_every_keyboard_and_never_shown() -> None:
    composed, decomposed = (
        Login(email="a@b.de", password=password) for password in ("p\u00e4ssphrase", "pa\u0308ssphrase")
    )
    assert composed.password.get_secret_value() == decomposed.password.get_secret_value()
    assert "ssphrase" not in repr(composed)


@pytest.mark.parametrize("roles", [[], ["admin"], ["host", "superadmin"], "host"])
def test_nobody_signs_up_as_an_administrator(roles: object) -> None:
    with pytest.raises(ValidationError):
        SignUp.model_validate({"email": "test@example.com", "password": PASSWORD, "roles": roles})
