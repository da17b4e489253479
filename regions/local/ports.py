"""Finds who already listens where we want to listen, before anything is started."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from regions.catalogue import Address
from regions.local.component import Component

_ANY_HOST = {"0.0.0.0", "::"}  # noqa: S104  compared with, not bound to


@dataclass(frozen=True)
class Clash:
    """A port that a component needs and somebody else has."""

    component: str
    address: Address
    owner: str

    def __str__(self) -> str:
        return f"{self.component} needs {self.address}, which is taken by {self.owner}"


def find_clashes(components: Iterable[Component]) -> list[Clash]:
    """Check every address of the given components (those that do not run yet); names each owner."""
    wanted = [(component.name, address) for component in components for address in component.listens_on()]
    taken = [(name, address) for name, address in wanted if not is_free(address)]
    if not taken:
        return []
    owners = _listeners()
    return [Clash(name, address, _owner(owners, address)) for name, address in taken]


def is_free(address: Address) -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after an earlier server don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True


def _listeners() -> dict[tuple[str, int], int | None]:
    return {
        (connection.laddr.ip, connection.laddr.port): connection.pid
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def _owner(listeners: dict[tuple[str, int], int | None], address: Address) -> str:
    for host in (address.host, *_ANY_HOST):
        if (host, address.port) in listeners:
            return _describe(listeners[host, address.port])
    return "a process that is not listening (a client's connection, or one that has just ended)"


def _describe(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        command = "unknown command"
    return f"process {pid}: {command[:160]}"
