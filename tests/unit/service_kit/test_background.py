"""Work beside the requests ends when its block does, whatever it makes of being cancelled."""

import asyncio

import pytest

from service_kit import background
from service_kit.background import running


async def test_work_runs_while_the_block_does() -> None:
    started = asyncio.Event()

    async def work() -> None:
        started.set()
        await asyncio.Event().wait()

    async with running("waiting", work) as task:
        await started.wait()
        assert not task.done()
    assert task.cancelled()


async def test_work_that_swallows_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "CANCEL_AGAIN_SECONDS", 0.01)
    cancellations = 0

    async def work() -> None:
        nonlocal cancellations
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancellations += 1
                if cancellations == 3:
                    raise

    async with asyncio.timeout(30):
        async with running("deaf", work):
            await asyncio.sleep(0)
    assert cancellations == 3


async def test_an_unexpected_end_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise LookupError("nothing to do")

    async with running("short", work) as task:
        await asyncio.wait({task})
        assert [record.message for record in caplog.records] == ["background work ended"]
        assert "nothing to do" in caplog.text
