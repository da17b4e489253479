from datetime import UTC, datetime, timedelta

import httpx
from fastapi import Depends, FastAPI

from read_api.data_age import DataAge, DataAgeHeader, answered_from_index

NOW = datetime(2027, 1, 1, tzinfo=UTC)


class Source:
    """A source that says what the test wants."""

    def __init__(self) -> None:
        self.confirmed_at: datetime | None = None
        self.fails = False

    async def __call__(self) -> datetime | None:
        if self.fails:
            raise ConnectionError
        return self.confirmed_at


def age_of(source: Source, clock: list[datetime]) -> DataAge:
    return DataAge("test", source, now=lambda: clock[0])


async def test_the_age_grows_while_the_source_does_not_answer() -> None:
    source, clock = Source(), [NOW]
    age = age_of(source, clock)
    source.confirmed_at = NOW - timedelta(milliseconds=700)
    await age.refresh()
    assert (age.milliseconds, age.answers) == (700, True)
    source.fails, clock[0] = True, NOW + timedelta(seconds=5)
    await age.refresh()
    assert (age.milliseconds, age.answers) == (5700, False)


async def test_a_source_that_never_spoke_is_as_old_as_1970() -> None:
    age = age_of(Source(), [NOW])
    await age.refresh()
    assert age.known_ms is None
    assert age.milliseconds == int(NOW.timestamp() * 1000)


async def test_a_clock_that_is_ahead_elsewhere_makes_no_negative_age() -> None:
    source = Source()
    source.confirmed_at = NOW + timedelta(seconds=2)
    age = age_of(source, [NOW])
    await age.refresh()
    assert age.milliseconds == 0


async def test_each_answer_carries_the_age_of_its_own_source_errors_too() -> None:
    reader, index, clock = Source(), Source(), [NOW]
    reader.confirmed_at, index.confirmed_at = NOW - timedelta(seconds=1), NOW - timedelta(seconds=2)
    ages = {"reader": age_of(reader, clock), "index": age_of(index, clock)}
    for age in ages.values():
        await age.refresh()
    app = FastAPI()

    @app.get("/page")
    async def page() -> None: ...

    @app.get("/search", dependencies=[Depends(answered_from_index)])
    async def search() -> None: ...

    transport = httpx.ASGITransport(app=DataAgeHeader(app, **ages))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = {
            path: (await client.get(path)).headers["x-data-age-ms"] for path in ("/page", "/search", "/no")
        }
    assert answers == {"/page": "1000", "/search": "2000", "/no": "1000"}
