"""The bodies of accounts' requests and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service_kit.email_address import Email
from service_kit.fields import Line, Password, RequestBody

Role = Literal["customer", "host"]


class SignUp(RequestBody):
    """A new account."""

    email: Email
    password: Annotated[Password, Field(min_length=8, max_length=128)]
    display_name: Line | None = Field(default=None, description="Default: what stands before the @.")
    roles: list[Role] = Field(default=["customer"], min_length=1, max_length=2)


class Person(BaseModel):
    """An account as its owner sees it."""

    id: int
    email: str
    display_name: str
    roles: list[str]
