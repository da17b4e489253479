"""Settings of write_api, from environment variables with the prefix FRONTROW_."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from service_kit.settings import ApiSettings, SecretKey, key_bytes
from service_kit.smtp import SmtpServer


class WriteApiSettings(ApiSettings):
    """What write_api is told. Raises pydantic's ValidationError on a bad or missing value."""

    main_database: str = Field(
        description="libpq URL of the primary, as the role that writes (frontrow_write)."
    )
    key_sealing_key: SecretKey = Field(
        description="32 bytes in base64: seals the private keys that sign tokens before they are stored."
    )
    redis: str | None = Field(
        default=None,
        description="URL of the region's Redis, which counts for limits; without it a process counts alone.",
    )
    durability: Literal["local", "quorum"] = Field(
        default="local",
        description="What an answer waits for: the primary's own disk, or also a quorum of other mains.",
    )
    quorum_members: tuple[str, ...] = Field(
        default=(), description="Application names of the mains that count for the quorum, as a JSON list."
    )
    quorum_required: int = Field(default=1, ge=1, description="How many members must have flushed.")
    other_mains: dict[str, str] = Field(
        default={},
        description="libpq URL of each other region's main (frontrow_read), as a JSON object by region.",
    )
    answer_wait_seconds: float = Field(
        default=5.0, gt=0, le=60, description="How long an answer waits to be confirmed before it is a 503."
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="The mail server: smtp://host:port or smtps://user:password@host; without it mails wait.",
    )
    mail_sender: str = Field(
        default="no-reply@frontrow.local", description="The address that mails come from."
    )
    public_url: str = Field(
        default="https://frontrow.local", description="Where people find Frontrow; links in mails lead there."
    )
    request_limits_times: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="How many times the limits of bookings are multiplied: 1, but where all are one address.",
    )
    waitlist_offer_seconds: int = Field(
        default=600,
        ge=1,
        le=86_400,
        description="How long seats that came free are held for somebody on the waitlist.",
    )
    hold_seconds: int = Field(
        default=300, ge=1, le=3600, description="How long a booking holds its seats until it is confirmed."
    )

    @model_validator(mode="after")
    def _quorum_can_be_reached(self) -> Self:
        if self.durability == "quorum" and self.quorum_required > len(set(self.quorum_members)):
            raise ValueError("durability quorum needs at least quorum_required names in quorum_members")
        return self

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            SmtpServer.parse(value.get_secret_value())
        return value

    @field_validator("mail_sender")
    @classmethod
    def _is_a_plain_address(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+", value):
            raise ValueError("must be a plain address, such as no-reply@example.com")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?", value):
            raise ValueError("must be an address such as https://example.com")
        return value

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The mail server, if there is one."""
        return None if self.smtp_url is None else SmtpServer.parse(self.smtp_url.get_secret_value())

    @property
    def key_sealing_bytes(self) -> bytes:
        """The sealing key itself, 32 bytes."""
        return key_bytes(self.key_sealing_key)
