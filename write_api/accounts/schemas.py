"""The bodies of accounts' requests and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from service_kit.email_address import Email
from service_kit.fields import Line, Password, RequestBody
from service_kit.signed_links import MAX_LINK_CHARACTERS

Role = Literal["customer", "host"]
MAX_PASSWORD_LENGTH = 128
NewPassword = Annotated[Password, Field(min_length=8, max_length=MAX_PASSWORD_LENGTH)]
Code = Annotated[SecretStr, Field(max_length=MAX_LINK_CHARACTERS, description="From the link in the mail.")]


class SignUp(RequestBody):
    """A new account."""

    email: Email
    password: NewPassword
    display_name: Line | None = Field(default=None, description="Default: what stands before the @.")
    roles: list[Role] = Field(
        default=["customer"],
        min_length=1,
        max_length=2,
        description="Until the e-mail is confirmed, the account is that of a customer alone.",
    )


class SignedUp(BaseModel):
    """The same answer whether the e-mail had an account already: the mail tells."""

    email: str = Field(description="Where a mail was sent, with what to do next.")


class Confirmation(RequestBody):
    """The code of a confirmation."""

    token: Code


class Mailing(RequestBody):
    """Whose mail is asked for."""

    email: Email


class PasswordReset(RequestBody):
    """A new password for whoever reads the account's mail."""

    token: Code
    password: NewPassword


class PasswordChange(RequestBody):
    """A new password for whoever knows the present one."""

    current: Annotated[Password, Field(max_length=MAX_PASSWORD_LENGTH)]
    new: NewPassword
