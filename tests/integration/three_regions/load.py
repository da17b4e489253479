"""People who read and write through the front door while something happens to the platform."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx

from tests.people import Person

PAUSE_SECONDS = 0.02


@dataclass
class Tally:
    """What became of one kind of request: when each was sent (monotonic), and why it failed, if it did."""

    name: str
    done: list[tuple[float, str | None]] = field(default_factory=list)

    def failed(self, after: float = 0.0) -> list[str]:
        return [reason for sent_at, reason in self.done if reason and sent_at >= after]

    def succeeded(self, after: float = 0.0) -> int:
        return sum(1 for sent_at, reason in self.done if not reason and sent_at >= after)

    def __str__(self) -> str:
        return f"{self.name}: {len(self.done)} sent, {len(self.failed())} failed {sorted(set(self.failed()))}"


@contextmanager
def repeated(*kinds: tuple[str, Callable[[], httpx.Response]]) -> Iterator[list[Tally]]:
    """Each kind of request again and again, in a thread of its own, while the block runs."""
    stop = threading.Event()
    tallies = [Tally(name) for name, _ in kinds]

    def run(tally: Tally, send: Callable[[], httpx.Response]) -> None:
        while not stop.wait(PAUSE_SECONDS):
            sent_at = time.monotonic()
            try:
                answer = send()
                reason = None if answer.is_success else str(answer.status_code)
            except httpx.HTTPError as error:
                reason = type(error).__name__
            tally.done.append((sent_at, reason))

    threads = [
        threading.Thread(target=run, args=(tally, send))
        for tally, (_, send) in zip(tallies, kinds, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield tallies
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for tally in tallies:
            print(f"\n  {tally}", end="")


def reads(
    stack: ExitStack, url: str, place: str, event_id: int, person: Person
) -> list[tuple[str, Callable[[], httpx.Response]]]:
    """A search, and an event page with a token, of somebody near `place`; `stack` closes the connections."""
    headers = {"X-Client-Place": place}
    signed = {**headers, "Authorization": person.client.headers["Authorization"]}
    search = stack.enter_context(httpx.Client(base_url=url, timeout=10))
    page = stack.enter_context(httpx.Client(base_url=url, timeout=10))
    return [
        (
            f"searches near {place}",
            lambda: search.post("/api/v1/search/events", json={"text": "event"}, headers=headers),
        ),
        (f"pages near {place}", lambda: page.get(f"/api/v1/events/{event_id}", headers=signed)),
    ]
