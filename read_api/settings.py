"""Settings of the process read_api."""

from pydantic import Field

from service_kit.settings import ApiSettings


class ReadApiSettings(ApiSettings):
    """What read_api is told by its environment."""

    elasticsearch: str = Field(description="Base URL of the region's Elasticsearch.")
