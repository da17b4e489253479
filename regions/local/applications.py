"""Our own processes of a region: how each is started, with the settings that it takes."""

import importlib.metadata
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from regions.catalogue import GLOBAL, Address, Lane
from regions.local.component import Component, Key, RunStep, health_details, http_fault
from regions.local.engines.connect import capture_secrets
from regions.local.engines.postgresql import QUORUM_REQUIRED
from regions.local.layout import CHECKOUT
from regions.local.link_control import LinkError, ask, write_configuration


class Application(Component):
    """A Python process of ours, `python -m <name>`, judged by its own health address."""

    start_seconds = 30.0
    stop_seconds = 8.0
    runs_as_engine = False

    def version(self) -> str:
        """Version of Frontrow."""
        return importlib.metadata.version("frontrow")

    def prepare(self, run_step: RunStep) -> None:  # noqa: ARG002
        """Make the folder that it may keep a snapshot in."""
        self.make_state_folder()

    def command(self) -> Sequence[str]:
        """Run the package with the Python that runs us."""
        return [sys.executable, "-m", self.name]

    def environment(self) -> Mapping[str, str]:
        """What all of them take, and what this one takes."""
        return {
            **self.python_environment(),
            "FRONTROW_LISTEN": str(self.address),
            "FRONTROW_REGION": self.site.region,
            "FRONTROW_LOG_LEVEL": self.site.log_level,
            **self.own_settings(),
        }

    def own_settings(self) -> Mapping[str, str]:
        """The settings of this process only."""
        return {}

    def not_ready_because(self) -> str | None:
        """Ready when it says so itself."""
        return http_fault(f"http://{self.address}/health/ready")

    def python_environment(self) -> dict[str, str]:
        """What Python itself needs; nothing else of the person's environment gets in."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.state),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUNBUFFERED": "1",
        }


class WriteApi(Application):
    """The application that writes; brings the schema up to date first, where the primary is."""

    name = "write_api"
    depends_on = ("main", "reader")

    def needs(self) -> tuple[Key, ...]:
        """The schema comes from the primary's region."""
        primary = self.site.catalogue.primary
        return super().needs() if self.site.region == primary else (*super().needs(), (primary, "write_api"))

    def not_ready_because(self) -> str | None:
        """Ready as the writer, or standing by where the region's main is a standby."""
        fault = http_fault(self._health)
        details = self._details() if fault else {}
        if details.get("main") == "standby":
            return None
        return f"{fault} ({details['state']})" if "state" in details else fault

    def not_started_because(self) -> str | None:
        """A writer without its quorum has started, for the quorum may be what starts next."""
        fault = self.not_ready_because()
        confirms_nothing = bool(self.site.other_regions) and self._details().get("main") == "primary"
        return None if fault and confirms_nothing else fault

    @property
    def _health(self) -> str:
        return f"http://{self.address}/health/ready"

    def _details(self) -> Mapping[str, object]:
        return health_details(self._health)

    def prepare(self, run_step: RunStep) -> None:
        """Run the migrations in the primary's region; every other region gets the schema by replication."""
        super().prepare(run_step)
        if self.site.region == self.site.catalogue.primary:
            environment = {
                **self.python_environment(),
                "FRONTROW_OWNER_DATABASE": self.site.database_url("frontrow_owner", "main"),
                "FRONTROW_LOG_LEVEL": self.site.log_level,
            }
            run_step([sys.executable, "-m", "write_api.migrate"], environment)

    def own_settings(self) -> Mapping[str, str]:
        """With one region nothing can confirm a write elsewhere, and that is declared."""
        others = self.site.other_regions
        durability = {"FRONTROW_DURABILITY": "local"}
        if others:  # each main streams under its region's name
            durability = {
                "FRONTROW_DURABILITY": "quorum",
                "FRONTROW_QUORUM_MEMBERS": json.dumps(others),
                "FRONTROW_QUORUM_REQUIRED": str(QUORUM_REQUIRED),
            }
        return {
            **durability,
            "FRONTROW_REQUEST_LIMITS_TIMES": str(self.site.catalogue.edge.request_limits_times),
            "FRONTROW_OTHER_MAINS": json.dumps(
                {one: self.site.database_url("frontrow_read", "main", one) for one in others}
            ),
            "FRONTROW_MAIN_DATABASE": self.site.database_url("frontrow_write", "main"),
            "FRONTROW_READER_DATABASE": self.site.database_url("frontrow_read", "reader"),
            "FRONTROW_REDIS": f"redis://{self.site.address('redis')}",
            "FRONTROW_KEY_SEALING_KEY": self.site.credentials.key_sealing_key,
            "FRONTROW_CONSISTENCY_KEY": self.site.credentials.consistency_key,
            "FRONTROW_LINK_KEY": self.site.credentials.link_key,
            "FRONTROW_SMTP_URL": f"smtp://{self.site.catalogue.address(GLOBAL, 'inbox_smtp')}",
            "FRONTROW_PUBLIC_URL": f"http://{self.site.catalogue.front_door}",
            "FRONTROW_STATE_DIRECTORY": str(self.state),
        }


class Inbox(Application):
    """Takes all mails of the platform in place of a mail server, and shows them."""

    name = "inbox"

    def listens_on(self) -> tuple[Address, ...]:
        """Where it shows mails, and where it takes them."""
        return (self.address, self._smtp)

    def command(self) -> Sequence[str]:
        """The fake of a mail server."""
        return [
            *(sys.executable, "-m", "fakes.inbox"),
            *("--smtp", str(self._smtp), "--http", str(self.address)),
        ]

    def environment(self) -> Mapping[str, str]:
        """Nothing but Python's own."""
        return self.python_environment()

    @property
    def _smtp(self) -> Address:
        return self.site.address("inbox_smtp")


class Links(Application):
    """Everything that crosses from one region to another passes here."""

    name = "links"
    start_seconds = 10.0

    def listens_on(self) -> tuple[Address, ...]:
        """Where it takes orders, and the near end of every lane."""
        return (self.address, *(lane.listen for lane in self._lanes()))

    def prepare(self, run_step: RunStep) -> None:
        """Write down the lanes."""
        super().prepare(run_step)
        self.write_file(self._configuration, write_configuration(self.address, self._lanes()))

    def command(self) -> Sequence[str]:
        """The process with all lanes."""
        return [sys.executable, "-m", "regions.local.link_control", str(self._configuration)]

    def environment(self) -> Mapping[str, str]:
        """Nothing but Python's own."""
        return self.python_environment()

    def not_ready_because(self) -> str | None:
        """Ready when it takes orders."""
        try:
            ask(self.address, {})
        except LinkError as error:
            return str(error)
        return None

    @property
    def _configuration(self) -> Path:
        return self.state / "lanes.json"

    def _lanes(self) -> list[Lane]:
        return self.site.catalogue.lanes(self.site.regions)


class MiniAuth(Application):
    """Serves the region's key set."""

    name = "mini_auth"
    depends_on = ("reader", "write_api")  # write_api's migrations make what it reads

    def own_settings(self) -> Mapping[str, str]:
        """The reader, and a folder for the snapshot of keys."""
        return {
            "FRONTROW_READER_DATABASE": self.site.database_url("frontrow_read", "reader"),
            "FRONTROW_STATE_DIRECTORY": str(self.state),
        }


class ReadApi(Application):
    """Answers searches and pages from what the region has."""

    name = "read_api"
    depends_on = ("reader", "elasticsearch", "write_api")

    def own_settings(self) -> Mapping[str, str]:
        """Everything that it reads."""
        return {
            "FRONTROW_READER_DATABASE": self.site.database_url("frontrow_read", "reader"),
            "FRONTROW_ELASTICSEARCH": f"http://{self.site.address('elasticsearch')}",
            "FRONTROW_CONSISTENCY_KEY": self.site.credentials.consistency_key,
            "FRONTROW_LINK_KEY": self.site.credentials.link_key,
            "FRONTROW_STATE_DIRECTORY": str(self.state),
        }


class Indexer(Application):
    """Keeps the region's index true to the region's reader."""

    name = "indexer"
    depends_on = ("reader", "kafka", "connect", "elasticsearch", "write_api")
    start_seconds = 90.0  # makes the slot and registers the connector on its first start

    def own_settings(self) -> Mapping[str, str]:
        """Where changes come from, and where documents go."""
        return {
            "FRONTROW_READER_DATABASE": self.site.database_url("frontrow_read", "reader"),
            "FRONTROW_CAPTURE_DATABASE": self.site.database_url("frontrow_capture", "reader"),
            "FRONTROW_CONNECTOR_PASSWORD": f"${{file:{capture_secrets(self.site)}:password}}",
            "FRONTROW_KAFKA": str(self.site.address("kafka")),
            "FRONTROW_CONNECT": f"http://{self.site.address('connect')}",
            "FRONTROW_ELASTICSEARCH": f"http://{self.site.address('elasticsearch')}",
        }
