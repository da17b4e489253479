"""Short rounds in which things take turns, with what each process used meanwhile."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from benchmarks.bookings.bare_sql import Done, Orders
from benchmarks.bookings.load import Load, Plan, RunningLoad
from benchmarks.bookings.stand import Application, Stand
from benchmarks.process_costs import cpu_seconds

ROUNDS = 5
MANY_PEOPLE = 500


@dataclass(frozen=True)
class Measured:
    """A load, and the seconds of CPU that processes used while it was counted."""

    load: Load
    status: int = 201
    used: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Answers of the status that was wanted, a second."""
        return self.load.per_second(self.status)

    def microseconds(self) -> dict[str, float]:
        """CPU for each such answer, by process."""
        count = max(1, self.load.count(self.status))
        return {name: seconds / count * 1e6 for name, seconds in self.used.items()}


def measure(stand: Stand, application: Application, plan: Plan, *, status: int = 201) -> Measured:
    """Asks as planned. Raises LoadError."""
    load = RunningLoad(plan)
    load.wait_until_warm()
    with cpu_used(stand, application) as used:
        result = load.result()
    return Measured(result, status, {**used, "load": result.own_cpu_seconds})


def measure_bare_sql(stand: Stand, event_id: int, *, batch_size: int, seconds: float) -> Measured:
    """The statements of write_api's batches without HTTP, as if they had been asked over it."""
    orders = Orders(event_id, stand.person_ids[:MANY_PEOPLE], batch_size, seconds)
    with cpu_used(stand, stand.write_api) as used:
        done = stand.run_beside("benchmarks.bookings.bare_sql", asdict(orders))
    result = Done(**done)
    # What its start costs is not told apart from what it does; of other processes there is little.
    del used["application"]
    load = Load(seconds=result.seconds, answers={"201": result.bookings})
    return Measured(load, 201, {**used, "client": result.own_cpu_seconds})


@contextmanager
def cpu_used(stand: Stand, application: Application) -> Iterator[dict[str, float]]:
    """Fills in, at its end, what each process that takes part used while entered."""
    used: dict[str, float] = {}
    before = {name: cpu_seconds(family) for name, family in stand.processes(application).items()}
    yield used
    after = {name: cpu_seconds(family) for name, family in stand.processes(application).items()}
    used.update({name: after[name] - before[name] for name in before})


def take_turns(rounds: int, *measurements: Callable[[], Measured]) -> list[list[Measured]]:
    """Each once a round; the results of each."""
    found: list[list[Measured]] = [[] for _ in measurements]
    for number in range(rounds):
        # Who comes first changes: what a round leaves behind meets both.
        for place in range(len(measurements)):
            which = (place + number) % len(measurements)
            found[which].append(measurements[which]())
    return found


def ratio(some: Sequence[Measured], others: Sequence[Measured]) -> float:
    """Of each round, the one after the other; the middle of them."""
    return statistics.median(
        one.per_second / max(other.per_second, 1 / other.load.seconds)  # where nobody was answered
        for one, other in zip(some, others, strict=True)
    )


def median_per_second(all_: Sequence[Measured]) -> float:
    """The middle of the rounds."""
    return statistics.median(one.per_second for one in all_)


def median_microseconds(all_: Sequence[Measured]) -> dict[str, int]:
    """CPU for an answer by process, of each the middle of the rounds."""
    names = all_[0].used
    return {name: round(statistics.median(one.microseconds()[name] for one in all_)) for name in names}
