"""Settings of the process indexer."""

from pydantic import Field

from service_kit.settings import ProcessSettings


class IndexerSettings(ProcessSettings):
    """What the indexer is told by its environment."""

    capture_database: str = Field(
        description="libpq URL of the region's reader with the role that makes and reads the logical slot."
    )
    connector_password: str = Field(
        description="The password in the connector's configuration, which others may read: a reference that "
        "Kafka Connect resolves, such as ${file:/run/secrets/capture.properties:password}."
    )
    kafka: str = Field(description="The region's Kafka, as host:port.")
    connect: str = Field(description="Base URL of the region's Kafka Connect.")
    elasticsearch: str = Field(description="Base URL of the region's Elasticsearch.")
