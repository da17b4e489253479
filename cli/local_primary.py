"""Where the primary is on this machine, for commands that change something there."""

import base64

from regions.local.assembly import open_platform
from regions.local.component import health_details
from write_api.primary_access import PrimaryAccess


def local_primary() -> PrimaryAccess:
    """How to reach the primary: where a write_api says it is the writer, else where the catalogue has it."""
    platform = open_platform()
    applications = {one.site.region: one for one in platform.components() if one.name == "write_api"}
    writers = [
        application
        for application in applications.values()
        if health_details(f"http://{application.address}/health/ready").get("writer") is True
    ]
    chosen = writers[0] if writers else applications[platform.catalogue.primary]
    settings = chosen.environment()
    return PrimaryAccess(
        database_url=settings["FRONTROW_MAIN_DATABASE"],
        sealing_key=base64.b64decode(settings["FRONTROW_KEY_SEALING_KEY"]),
        region=chosen.site.region,
    )
