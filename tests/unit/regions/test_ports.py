import os
import socket
import sys

from regions.catalogue import Address
from regions.local.component import Component
from regions.local.ports import find_clashes


class Listener(Component):
    """A component that wants some addresses; the test never starts it."""

    name = "kafka"

    def __init__(self, *addresses: Address) -> None:
        self._addresses = addresses

    def listens_on(self) -> tuple[Address, ...]:
        return self._addresses

    def version(self) -> str:
        return ""

    def command(self) -> list[str]:
        return []

    def not_ready_because(self) -> str | None:
        return None


def test_a_taken_port_is_named_with_its_owner() -> None:
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        free_port = free.getsockname()[1]
        free.close()
        port = taken.getsockname()[1]
        (clash,) = find_clashes([Listener(Address("127.0.0.1", free_port), Address("127.0.0.1", port))])
    message = str(clash)
    assert message.startswith(f"kafka needs 127.0.0.1:{port}, which is taken by process {os.getpid()}: ")
    assert sys.orig_argv[0].rpartition("/")[2] in message


def test_an_owner_that_listens_on_every_address_is_found_too() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        (clash,) = find_clashes([Listener(Address("127.0.0.1", taken.getsockname()[1]))])
    assert f"process {os.getpid()}: " in str(clash)


def test_free_ports_do_not_clash() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert find_clashes([Listener(Address("127.0.0.1", port))]) == []
