"""The answer gate: no answer leaves write_api before what it says is as durable as the platform promises.

Every transaction commits with `synchronous_commit=local`, so a lock lasts one local fsync, at any distance
between regions. The *answer* waits here, in one place, for everyone: successes, refusals, replays, no-ops,
reads. All of them tell what the database held, and a database that is cut off may hold what will be lost.

Cost. One statement a poll, for all who wait, and only while someone waits. A poll takes up the requests that
arrived before it started: its `flushed_lsn` is read after their last statement, so it is their target. With
durability `local` the same sample confirms them: one round trip to the primary on the same machine (some
0.2 ms), shared. With a quorum, the members have flushed the target about a round trip to the nearest of them
later: the next poll is when that was lately, or when somebody arrives, and then each millisecond, or each
forty-fifth of that. Waiting costs a future a request; no lock, no transaction, no connection.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import problems
from service_kit.database import DATABASE_ERRORS, Pool
from service_kit.hot_route import raw_headers
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem, problem_response
from service_kit.whole_answers import RawHeaders
from write_api.consistency import AnswerConsistency

_LOG = logging.getLogger(__name__)

MAX_WAITING = 8192
POLL_SECONDS = 0.001
POLL_SHARE = 1 / 45
"""From one poll to the next at least: so long, or this share of what confirmations take."""
REMEMBERED_CONFIRMATIONS = 16
EARLY_SHARE = 0.9
"""Of the lower quartile of what the last confirmations took: nobody asks for the next one before. Some of
them are short, where others wrote what somebody only reads; after an outage some are long."""
UNSEEN_SHARE = 0.5
"""Of the time until the first sample, for a confirmation that was there by then: it may have come long ago.
Taken as a whole, nobody would ask sooner the next time, and a gate that had learnt 80 ms would go on for many
seconds after the members had come near."""
MAX_PAUSE_SECONDS = 0.25
RETRY_SECONDS = 0.1
UNGATED_PATHS = ("/health/", "/openapi/")
DURABILITY_HEADER = "X-Durability"


@dataclass(frozen=True, slots=True)
class WalSample:
    """Positions in the write-ahead log in bytes from its start, and the server's clock at that moment.

    What was committed before the sample lies at or before `flushed_lsn`; what lies at or before
    `confirmed_lsn` is durable as the rule demands.
    """

    flushed_lsn: int
    confirmed_lsn: int
    sampled_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Everything up to `lsn`, and so all that was committed before it was asked for, is durable."""

    confirmed_at: datetime
    lsn: int


class ConfirmationRule(Protocol):
    """What counts as durable. `durability` is what answers declare."""

    durability: str

    async def sample(self) -> WalSample:
        """Asks the primary once. Raises psycopg.Error where it can't be asked, or is no primary."""
        ...


class LocalFlush:
    """Durable is what the primary's own disk has. For a platform of one region."""

    durability = "local"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._statement = load_queries("write_api")["sample_local_flush"]

    async def sample(self) -> WalSample:
        """The primary's own flush position, as both positions."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._statement)).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        return WalSample(**row)


class QuorumFlush:
    """Durable is what `required` of the named members have flushed, each a main in another region."""

    durability = "quorum"

    def __init__(self, pool: Pool, *, members: Sequence[str], required: int) -> None:
        if not 1 <= required <= len(set(members)):
            raise ValueError("a quorum needs at least as many members as it requires")
        self._pool = pool
        self._statement = load_queries("write_api")["sample_quorum_flush"]
        self._parameters = {"members": list(members), "required": required}

    async def sample(self) -> WalSample:
        """The primary's own flush position, and that of the k-th best member; 0 with too few of them."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._statement, self._parameters)).fetchone()
        assert row is not None  # noqa: S101
        return WalSample(**row)


class OnlyWhile:
    """The rule, but nothing is durable while `may_confirm` says no: fenced, or members not named yet."""

    def __init__(self, rule: ConfirmationRule, may_confirm: Callable[[], bool]) -> None:
        self._rule = rule
        self._may_confirm = may_confirm
        self.durability = rule.durability

    async def sample(self) -> WalSample:
        """What the rule samples, unless it is forbidden before it was asked or after."""
        might_confirm = self._may_confirm()
        sample = await self._rule.sample()
        return sample if might_confirm and self._may_confirm() else replace(sample, confirmed_lsn=0)


class NotConfirmedError(Exception):
    """What was written could not be confirmed in time; it may be there, and may still be lost."""


_Waiter = asyncio.Future[Confirmation]


class _Unconfirmed(NamedTuple):
    """Who waits for a position, since it was sampled or brought."""

    target_lsn: int
    since: float
    waiters: Sequence[_Waiter]
    was_seen: bool = False
    """Not confirmed yet, by a sample. Of what never was, nobody knows how long it had been confirmed."""


class AnswerGate:
    """Holds those who wait until the rule confirms what was written before they came.

    `run` is its one polling loop, for the application to keep running. At most `max_waiting` wait, each
    for at most `wait_seconds`.
    """

    def __init__(
        self,
        rule: ConfirmationRule,
        *,
        wait_seconds: float,
        max_waiting: int = MAX_WAITING,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._rule = rule
        self._wait_seconds = wait_seconds
        self._max_waiting = max_waiting
        self._poll_seconds = poll_seconds
        self._arrived: list[_Waiter] = []
        self._unconfirmed: deque[_Unconfirmed] = deque()
        self._took_seconds: deque[float] = deque(maxlen=REMEMBERED_CONFIRMATIONS)
        self._someone_waits = asyncio.Event()
        self._someone_arrived = asyncio.Event()
        self._waiting = 0
        self._sampled_at = -math.inf
        self._asked = 0
        self._is_asked = asyncio.Event()
        self._is_failing = False

    @property
    def durability(self) -> str:
        """What answers declare: `local` or `quorum`."""
        return self._rule.durability

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._waiting

    @property
    def usual_seconds(self) -> float:
        """What confirmations take at least, most of the time; 0 where nothing had to be waited for yet."""
        took_seconds = sorted(self._took_seconds)
        return min(took_seconds[len(took_seconds) // 4], MAX_PAUSE_SECONDS) if took_seconds else 0.0

    @property
    def asked(self) -> int:
        """How often somebody has asked."""
        return self._asked

    async def asked_more_than(self, times: int, *, wait_seconds: float) -> None:
        """Returns once somebody has asked more often, and after `wait_seconds` in any case."""
        try:
            async with asyncio.timeout(wait_seconds):
                while self._asked <= times:
                    self._is_asked.clear()
                    await self._is_asked.wait()
        except TimeoutError:
            return

    async def confirmed(
        self, target_lsn: int | None = None, *, wait_seconds: float | None = None
    ) -> Confirmation:
        """Returns once all that was committed before the call is confirmed.

        Who knows already how far the log was flushed after their commit brings it as `target_lsn`: that saves
        asking for it.

        Raises NotConfirmedError after `wait_seconds`, and at once when too many wait already.
        """
        if self._waiting >= self._max_waiting:
            raise NotConfirmedError(f"{self._waiting} answers wait already")
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        if target_lsn is None:
            self._arrived.append(waiter)
            self._someone_arrived.set()
        else:
            self._unconfirmed.append(_Unconfirmed(target_lsn, time.monotonic(), [waiter]))
        self._asked += 1
        self._is_asked.set()
        self._someone_waits.set()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds if wait_seconds is None else wait_seconds):
                return await waiter
        except TimeoutError:
            raise NotConfirmedError("the log was not confirmed in time") from None
        finally:
            self._waiting -= 1

    async def run(self) -> None:
        """Polls while someone waits, else sleeps. Outlives a database that can't be asked."""
        while True:
            await self._someone_waits.wait()
            if self._unconfirmed:
                await self._rest(self._unconfirmed[0].since)
            arrived, self._arrived = self._arrived, []
            self._someone_arrived.clear()
            self._sampled_at = time.monotonic()
            try:
                sample = await self._rule.sample()
            except DATABASE_ERRORS as error:
                # Those who arrived keep their place: their target is taken when the primary answers again.
                self._arrived[:0] = [waiter for waiter in arrived if not waiter.done()]
                self._report(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._report(None)
                if arrived:
                    self._unconfirmed.append(_Unconfirmed(sample.flushed_lsn, time.monotonic(), arrived))
                self._release(sample)
            if self._waiting == 0:
                self._arrived.clear()
                self._unconfirmed.clear()
            if not self._arrived and not self._unconfirmed:
                self._someone_waits.clear()

    async def _rest(self, since: float) -> None:
        """Returns when somebody has arrived, or those who wait `since` then may be confirmed by now."""
        usual_seconds = self.usual_seconds
        next_at = self._sampled_at + max(self._poll_seconds, POLL_SHARE * usual_seconds)
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        pause_seconds = since + EARLY_SHARE * usual_seconds - time.monotonic()
        if pause_seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._someone_arrived.wait()

    def _release(self, sample: WalSample) -> None:
        """Lets those go whose target is confirmed, and forgets those who gave up."""
        kept: deque[_Unconfirmed] = deque()
        for one in self._unconfirmed:
            if one.target_lsn <= sample.confirmed_lsn:
                took_seconds = self._sampled_at - one.since  # not until it was heard: each would be later
                took_seconds *= 1.0 if one.was_seen else UNSEEN_SHARE
                if took_seconds >= self._poll_seconds:  # else what was sampled was confirmed already
                    self._took_seconds.append(took_seconds)
                for waiter in one.waiters:
                    if not waiter.done():
                        waiter.set_result(Confirmation(sample.sampled_at, one.target_lsn))
            elif not all(waiter.done() for waiter in one.waiters):
                kept.append(one if one.was_seen else one._replace(was_seen=True))
        self._unconfirmed = kept

    def _report(self, error: Exception | None) -> None:
        """Logs the begin and the end of a failure, not each of the polls between."""
        if error is not None and not self._is_failing:
            _LOG.warning("answers can't be confirmed", extra={"reason": type(error).__name__})
        if error is None and self._is_failing:
            _LOG.info("answers are confirmed again")
        self._is_failing = error is not None


class ConfirmedAnswers:
    """What answers say of themselves once the gate has let them go."""

    def __init__(self, gate: AnswerGate, consistency: AnswerConsistency) -> None:
        self._gate = gate
        self._consistency = consistency

    async def headers(self, scope: Scope, target_lsn: int | None = None) -> dict[str, str]:
        """Waits until all that the answers to the request could tell is confirmed; what they say of that.

        `target_lsn` is as for AnswerGate. Raises Problem TEMPORARILY_UNAVAILABLE, which is then the answer.
        """
        try:
            confirmation = await self._gate.confirmed(target_lsn)
        except NotConfirmedError as error:
            _LOG.warning("answer withheld", extra={"path": scope.get("path"), "reason": str(error)})
            detail = "It is not confirmed yet that the answer will last. What was asked may have been done."
            raise Problem(problems.TEMPORARILY_UNAVAILABLE, detail) from None
        return self.unconfirmed | dict(self._consistency.headers(scope, confirmed_lsn=confirmation.lsn))

    async def raw_headers(self, target_lsn: int | None = None) -> RawHeaders:
        """As `headers`, for many answers at once, to requests that bring no consistency token."""
        return raw_headers(await self.headers({}, target_lsn))

    @property
    def unconfirmed(self) -> dict[str, str]:
        """What an answer says that told nothing of the database."""
        return {DURABILITY_HEADER: self._gate.durability}


class AnswerGateMiddleware:
    """Holds each answer at its first byte until `gate` confirms; otherwise the answer is a 503 instead.

    What leaves says by `consistency` up to where it knows.

    It stands outside everything else of the application, so no answer passes beside it but those of hot
    routes, which ask the same gate. It relies on our routes doing all their statements before the answer
    starts: none streams, none works in the background. An answer of 500 or more says nothing of what the
    database holds, so it does not wait: while the database is away, people hear so at once.
    """

    def __init__(self, app: ASGIApp, *, confirmed: ConfirmedAnswers) -> None:
        self._app = app
        self._confirmed = confirmed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on at once, and the answer when it is confirmed."""
        if scope["type"] != "http" or scope["path"].startswith(UNGATED_PATHS):
            await self._app(scope, receive, send)
            return
        is_withheld = False
        scope.setdefault("state", {})  # shared with whoever reads the request inside

        async def gated_send(message: Message) -> None:
            nonlocal is_withheld
            if is_withheld:
                return
            if message["type"] == "http.response.start":
                try:
                    is_told = message["status"] < 500
                    headers = await self._confirmed.headers(scope) if is_told else self._confirmed.unconfirmed
                except Problem as problem:
                    is_withheld = True
                    instead = problem_response(problem)
                    instead.headers.update(self._confirmed.unconfirmed)
                    await instead(scope, receive, send)
                    return
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, gated_send)
