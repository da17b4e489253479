"""Structured logs: one JSON object a line on stderr, with the fields given as `extra`.

Nothing here may log a request body, a header or a connection string: those can carry secrets.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class JsonLineFormatter(logging.Formatter):
    """Renders a record as one line of JSON: time (UTC), level, process, logger, message, extras, error."""

    def __init__(self, process: str, region: str) -> None:
        super().__init__()
        self._process = process
        self._region = region

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; values that JSON does not know are written with `str`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "region": self._region,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD_FIELDS})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logs(*, process: str, region: str, level: str) -> None:
    """Sends all logs of this process to stderr as JSON lines; called once, by the process's entry point."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLineFormatter(process, region))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These narrate every request and every metadata refresh at info level: noise by the thousand.
    for noisy in ("kafka", "elastic_transport", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # A warning at each attempt of each pool while the database is away; who needs it logs the outage once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
