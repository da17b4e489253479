"""What a person may choose about the local platform, read from environment variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MAVEN_CENTRAL = "https://repo1.maven.org/maven2"


class LocalSettings(BaseSettings):
    """The settings of `frontrow up`, `down`, `status` and `logs`."""

    model_config = SettingsConfigDict(env_prefix="FRONTROW_", frozen=True, populate_by_name=True)

    home: Path | None = Field(
        default=None, description="Folder of the platform's state; by default .frontrow in the checkout."
    )
    cache: Path | None = Field(
        default=None,
        description="Folder of downloaded engines; by default in ~/.cache, or /var/cache when root.",
    )
    port_offset: int = Field(
        default=0, ge=0, lt=32768, description="Added to every port, so that two platforms run side by side."
    )
    run_as: str = Field(default="nobody", description="When root: the ordinary user who runs the engines.")
    maven: str = Field(
        default=MAVEN_CENTRAL, description="Base address of a Maven repository that mirrors Maven Central."
    )
    regions: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("eu", "us", "ap"),
        validation_alias="REGIONS",
        description="Regions to run, separated by commas; by default those of the last `up`, at first all.",
    )
    log_level: str = Field(default="info", description="How much our own processes log.")

    @field_validator("regions", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )
