"""What happens when several do a thing at once, or one while another's transaction is open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from shared.adapters.postgres.database import Database
from tests.support.waiting import WAIT_SECONDS, wait_until

AT_ONCE = 4
Answer = TypeVar("Answer")


def at_once(ask_for: Callable[[], Answer]) -> list[Answer]:
    """Returns the answers of a few threads that begin together."""
    together = threading.Barrier(AT_ONCE)

    def one(_: int) -> Answer:
        together.wait(WAIT_SECONDS)
        return ask_for()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def beside(database: Database, work: Callable[[], Answer]) -> Future[Answer]:
    """Begins work in a thread, and comes back once it is done or waits for a lock of this database.
    For use within the transaction that it may wait for.
    """
    pool = ThreadPoolExecutor(1)
    begun = pool.submit(work)
    pool.shutdown(wait=False)
    wait_until("work beside a transaction", lambda: begun.done() or _somebody_waits(database))
    return begun


def _somebody_waits(database: Database) -> bool:
    return bool(
        database.fetch(
            """
            SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE NOT granted AND datname = current_database()
            """
        )
    )
