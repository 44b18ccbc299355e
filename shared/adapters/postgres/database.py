"""The connection pool. Every timeout is set, and every driver error becomes one of our kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, Self
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.deadline import AnswerDeadline
from shared.adapters.postgres.reasons import no_connection
from shared.domain.errors import BadInput, Conflict, PlatereelError, Retryable

Connection = psycopg.Connection[DictRow]

_OPTIONS = "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,  # for a busy host; callers of the pool wait less
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": _OPTIONS,
}
TRANSACTION_SECONDS, CHECK_SECONDS = 20.0, 3.0
patience = AnswerDeadline(SystemClock())


def _check(connection: Connection) -> None:
    with patience.within(connection, CHECK_SECONDS):
        ConnectionPool.check_connection(connection)
    if connection.closed:
        raise psycopg.OperationalError("it answered too late")


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Returns one connection with the pool's settings.

    Raises Retryable or Permanent in the words of `reasons`.
    """
    try:
        return psycopg.connect(url, autocommit=autocommit, row_factory=dict_row, **_CONNECT)
    except psycopg.Error as error:
        raise no_connection(url, error) from None  # what libpq says may quote the URL


def _telling(url: str, tell: Callable[[PlatereelError | None], None]) -> type[Connection]:
    """Returns a connection class for the pool, which connects in the background: `tell` hears how
    each try went.
    """

    class Telling(psycopg.Connection[DictRow]):
        @classmethod
        def connect(cls, *given: Any, **named: Any) -> Self:
            try:
                made = super().connect(*given, **named)
            except psycopg.Error as error:
                tell(no_connection(url, error))
                raise
            tell(None)
            return made

    return Telling


@contextmanager
def kinds(why: Callable[[], PlatereelError | None] = lambda: None) -> Iterator[None]:
    """Map driver errors: away, slow, full, restarting or just migrated is Retryable, a broken
    constraint is a Conflict. why: returns the reason for having no connection, where the pool
    knows one.
    """
    try:
        yield
    except psycopg.errors.IntegrityError as error:
        raise Conflict(
            f"the database refused: {error.diag.constraint_name or error.sqlstate}"
        ) from error
    except psycopg.ProgrammingError as error:
        # A right that is missing, a schema that is on its way: nothing that was asked for is at
        # fault.
        raise Retryable(f"the database refuses a statement: {type(error).__name__}") from error
    except psycopg.NotSupportedError as error:
        raise Retryable("the database has other tables than before: connect again") from error
    except (psycopg.DataError, UnicodeEncodeError) as error:
        raise BadInput(
            "value",
            "holds something a database cannot store, such as a NUL character or half of another",
        ) from error
    except PoolTimeout as error:
        raise why() or Retryable("the database does not answer: no connection is free") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
        raise Retryable(f"the database does not answer: {type(error).__name__}") from error


class Database:
    """A pool for one process. Open it after any fork: a socket shared by two processes garbles the
    protocol.
    """

    def __init__(
        self, url: str, *, max_size: int = 4, name: str = "platereel", patience_s: float = 5
    ) -> None:
        self.url = url
        self._wrong: PlatereelError | None = None
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            connection_class=_telling(url, self._hear),
            kwargs={
                **_CONNECT,
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": name,
            },
            min_size=1,
            max_size=max_size,
            max_lifetime=1800,
            reconnect_timeout=5,
            timeout=patience_s,
            check=_check,
            open=False,
        )

    def _hear(self, wrong: PlatereelError | None) -> None:
        self._wrong = wrong

    def _why(self) -> PlatereelError | None:
        """Returns the reason as a new error: one error raised by several threads would collect all
        their tracebacks.
        """
        wrong = self._wrong
        return None if wrong is None else type(wrong)(wrong.message, **wrong.facts)

    def open(self) -> None:
        """Start connecting; does not wait for the server."""
        self._pool.open()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close(timeout=2)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection on which every statement is a transaction of its own, unless one is begun.

        The block ends within 20 s, whatever the server does: a little later than the server's own
        statement_timeout.
        """
        with (
            kinds(self._why),
            self._pool.connection() as connection,
            patience.within(connection, TRANSACTION_SECONDS),
        ):
            try:
                yield connection
            except psycopg.NotSupportedError:
                # A table has changed since this connection prepared a statement: it would fail for
                # ever here. The pool opens another connection in place of a closed one.
                connection.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yields a connection in a transaction, which commits at the end of the block or rolls back
        on an error.
        """
        with self._connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def pipelined(self) -> Iterator[Connection]:
        """Yields a transaction whose statements do not wait for each other's answers.

        A statement's answer is awaited when it is fetched; an error is raised there, or at the
        block's end. The commit goes with the last statements: psycopg's own `transaction` would
        wait for their answers first. After an error the pool rolls back.
        """
        with self._connection() as connection, connection.pipeline():
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    def fetch(self, query: LiteralString, *args: object) -> list[DictRow]:
        """Returns all rows of one statement. args: in order, or one mapping by name."""
        with self._connection() as connection:
            return connection.execute(query, _named(args)).fetchall()

    def fetch_one(self, query: LiteralString, *args: object) -> DictRow | None:
        """Returns the first row of one statement, or None."""
        with self._connection() as connection:
            return connection.execute(query, _named(args)).fetchone()

    def now_ms(self) -> int:
        """Returns the database's time (ms since 1970): the one clock that ages and leases are
        judged by.
        """
        row = self.fetch_one("SELECT (extract(epoch FROM now()) * 1000)::bigint AS now")
        return 0 if row is None else int(row["now"])

    def version(self) -> str:
        """Returns the server's version, as 17.2."""
        row = self.fetch_one(
            "SELECT split_part(current_setting('server_version'), ' ', 1) AS version"
        )
        return "" if row is None else str(row["version"])

    def execute(self, query: LiteralString, *args: object) -> int:
        """Run one statement. Returns how many rows it touched."""
        with self._connection() as connection:
            return connection.execute(query, _named(args)).rowcount


def _named(args: tuple[object, ...]) -> tuple[object, ...] | dict[str, object]:
    return args[0] if len(args) == 1 and isinstance(args[0], dict) else args


def lock_camera(connection: Connection, camera_id: str) -> None:
    """Take the camera's lock until the transaction ends: every change of its windows needs it."""
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('camera:' || %s, 0))", [camera_id]
    )


def as_uuids(rows: list[DictRow], column: str = "id") -> list[UUID]:
    """Returns one column of ids."""
    return [row[column] for row in rows]
