"""Settings of the process read_api."""

from pydantic import Field

from service_kit.settings import ConsistencySettings


class ReadApiSettings(ConsistencySettings):
    """What read_api is told by its environment."""

    elasticsearch: str = Field(description="Base URL of the region's Elasticsearch.")
