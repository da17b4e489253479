"""Settings shared by our processes: read once from the environment, validated, described.

Every setting is an environment variable with the prefix `FRONTROW_`. Applications extend
`ProcessSettings` with their own; `docs/settings.md` lists all of them and a test keeps it complete.
"""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_KEY_BYTES = 32


def _is_a_key(value: SecretStr) -> SecretStr:
    """Raises ValueError without telling the value."""
    try:
        key = key_bytes(value)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(f"must be {_KEY_BYTES} bytes in base64")
    return value


def key_bytes(value: SecretStr) -> bytes:
    """The key itself, 32 bytes of a valid setting. Raises ValueError where it is no base64."""
    return base64.b64decode(value.get_secret_value(), validate=True)


SecretKey = Annotated[SecretStr, AfterValidator(_is_a_key)]
"""32 bytes in base64."""


class ProcessSettings(BaseSettings):
    """What every process of ours is told. Raises pydantic's ValidationError on a bad or missing value."""

    model_config = SettingsConfigDict(env_prefix="FRONTROW_", frozen=True, hide_input_in_errors=True)

    region: str = Field(
        pattern=r"^[a-z][a-z0-9]{0,15}$", description="The region that this process runs in, such as eu."
    )
    listen: str = Field(description="Address to listen on, as host:port.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log line that is written."
    )
    reader_database: str = Field(
        description="libpq URL of the region's reader, a PostgreSQL that always is a standby."
    )
    state_directory: Path = Field(
        default=Path(".frontrow"), description="A folder for what should survive a restart of the process."
    )
    token_issuer: str = Field(default="https://frontrow.local", description="The `iss` of our tokens.")
    token_audience: str = Field(default="frontrow-api", description="The `aud` of our tokens.")

    @field_validator("listen")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        host, separator, port = value.rpartition(":")
        if not (separator and host and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError("must be host:port")
        return value

    @property
    def listen_host(self) -> str:
        """The host part of `listen`."""
        return self.listen.rpartition(":")[0]

    @property
    def listen_port(self) -> int:
        """The port part of `listen`."""
        return int(self.listen.rpartition(":")[2])


class ApiSettings(ProcessSettings):
    """What both APIs are told: the keys that all regions share."""

    consistency_key: SecretKey = Field(
        description="32 bytes in base64, the same in all regions: signs consistency tokens."
    )
    link_key: SecretKey = Field(
        description="32 bytes in base64, the same in all regions: signs the links that people get by mail."
    )
