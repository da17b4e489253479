"""Runs an ASGI application as one of our processes: settings, logs, loop, graceful end."""

import gc
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp

from service_kit.logs import configure_logs
from service_kit.settings import ProcessSettings
from service_kit.whole_answers import WholeAnswersProtocol

WRONG_SETTINGS = 2
NOT_STARTED = 3
OBJECTS_BEFORE_COLLECTION = 100_000
"""More than some thousand requests under way have. They are no garbage, and to look for some among them
time and again (Python does so from 700 on) took a fifth of a busy process. Garbage can wait."""

ACCEPTED_AT_ONCE = 32
"""Connections that are accepted in a turn of the loop; libuv accepts one for each descriptor (0129)."""

Settings = TypeVar("Settings", bound=ProcessSettings)


def run_process(
    process: str, settings_type: type[Settings], create_app: Callable[[Settings], ASGIApp]
) -> None:
    """Reads the settings from the environment and serves the application until SIGTERM or SIGINT.

    Exits with code 2 and one line for each setting that is wrong or missing, without its value.
    """
    try:
        settings = settings_type()
    except ValidationError as error:
        for wrong in error.errors():
            name = f"FRONTROW_{wrong['loc'][0]}".upper() if wrong["loc"] else "settings"
            sys.stderr.write(f"{process}: {name}: {wrong['msg']} (docs/settings.md lists all settings)\n")
        sys.exit(WRONG_SETTINGS)
    configure_logs(process=process, region=settings.region, level=settings.log_level)
    _serve(create_app(settings), host=settings.listen_host, port=settings.listen_port)


def _serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Serves until told to end, then gives open requests 3 s to finish.

    At most 8,192 requests are under way; beyond that uvicorn answers 503, so that a flood costs a refusal
    and not memory. Identity headers from proxies are not trusted: the gateway is the only client.
    """
    # What the start has made stays: the collector need not go through it again and again, which shows in the
    # longest answers of a busy process.
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION, 10, 10)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=WholeAnswersProtocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than the gateway keeps an idle connection, so it closes first
        timeout_graceful_shutdown=3,
        limit_concurrency=8192,
        backlog=4096,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # uvicorn's own, after its graceful end
        server.run(sockets=listening_descriptors(config.bind_socket()))
    if not server.started:
        sys.exit(NOT_STARTED)


def listening_descriptors(bound: socket.socket) -> list[socket.socket]:
    """One socket under several descriptors: in each turn of its own the loop accepts once at each of them."""
    return [bound, *(bound.dup() for _ in range(ACCEPTED_AT_ONCE - 1))]
