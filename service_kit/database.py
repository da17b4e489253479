"""Connection pools to PostgreSQL with every wait bounded, and one reading of PostgreSQL's failures."""

import select
import time
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

Row = DictRow
Connection = AsyncConnection[DictRow]


FRESH_SECONDS = 1.0
_RETURNED_AT: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()


class Pool(AsyncConnectionPool[Connection]):
    """psycopg's pool, which forgets who has stopped waiting, and asks no connection that was just used.

    psycopg_pool 3.3 keeps a client that has timed out in its queue until a connection arrives, counts it
    against `max_waiting`, and refuses a new client before it would let the pool grow. So after an outage
    that filled the queue, nobody asks for a connection any more, and every request is refused for good.
    """

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109 - psycopg's own
        """A connection. Raises PoolTimeout, or TooManyRequests; either way nobody is left in the queue."""
        try:
            return await super().getconn(timeout)
        except BaseException:
            for client in [client for client in self._waiting if client.error is not None]:
                self._waiting.remove(client)
            raise

    async def putconn(self, conn: Connection) -> None:
        """Takes a connection back, and remembers when."""
        _RETURNED_AT[conn] = time.monotonic()
        await super().putconn(conn)


async def _check_connection(connection: Connection) -> None:
    """Raises psycopg.OperationalError where the connection is broken.

    One that was used within the last second, and whose socket has nothing to tell, is not asked: where the
    server has gone, the system has told the socket.
    """
    is_fresh = time.monotonic() - _RETURNED_AT.get(connection, 0.0) < FRESH_SECONDS
    if not is_fresh or _has_something_to_tell(connection):
        await AsyncConnectionPool.check_connection(connection)


def _has_something_to_tell(connection: Connection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


# The database can't be asked now, or gave up on a lock or a statement: the same request may succeed shortly.
UNAVAILABLE_ERRORS: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    TooManyRequests,
)

# What background work outlives: a database that is away, restarts, became a standby, or refuses a statement.
DATABASE_ERRORS: tuple[type[Exception], ...] = (psycopg.Error, *UNAVAILABLE_ERRORS)


def connection_url(
    url: str,
    *,
    application_name: str,
    connect_timeout_seconds: int = 3,
    session_settings: dict[str, str] | None = None,
) -> str:
    """The libpq connection string for `url` with a name, a bound on connecting and session settings."""
    options = " ".join(f"-c {name}={value}" for name, value in (session_settings or {}).items())
    return make_conninfo(
        url,
        application_name=application_name,
        connect_timeout=connect_timeout_seconds,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
        options=options,
    )


def create_pool(
    url: str,
    *,
    application_name: str,
    max_size: int,
    max_waiting: int,
    wait_seconds: float = 2.0,
    statement_timeout_seconds: float = 5.0,
    lock_timeout_seconds: float = 2.0,
    session_settings: dict[str, str] | None = None,
) -> Pool:
    """A closed pool; `async with pool:` opens and closes it. Rows are dicts.

    Waiting for a connection raises PoolTimeout after `wait_seconds`, and TooManyRequests at once when
    `max_waiting` others wait already. Statements and lock waits are bounded by the server, and a
    transaction left open is ended by it. A connection that was idle is checked before it is lent (one empty
    round trip), so that a restart of the server costs its clients no failed request once it is back.
    """
    settings: dict[str, str] = {
        "statement_timeout": f"{int(statement_timeout_seconds * 1000)}ms",
        "lock_timeout": f"{int(lock_timeout_seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{int(statement_timeout_seconds * 1000)}ms",
        "TimeZone": "UTC",
        **(session_settings or {}),
    }
    kwargs: dict[str, Any] = {"autocommit": True, "row_factory": dict_row}
    return Pool(
        connection_url(url, application_name=application_name, session_settings=settings),
        connection_class=AsyncConnection[DictRow],
        kwargs=kwargs,
        min_size=1,
        max_size=max_size,
        max_waiting=max_waiting,
        timeout=wait_seconds,
        # The pool's own attempts pause 1, 2, 4 ... s. Ended early, the next client starts anew: after an
        # outage the first answer came within 1 s, where 30 s of attempts cost up to 7 s.
        reconnect_timeout=2.0,
        check=_check_connection,
        open=False,
        name=application_name,
    )
