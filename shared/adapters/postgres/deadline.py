"""A limit on how long a thread waits for the database. libpq has no timeout for an answer.

A server that is stopped, or a firewall that forgot a connection while something in between still
acknowledges packets, would hold a thread for ever. A watcher closes the socket of a thread that
waits too long. The waiting call then fails with the error of a lost connection, which callers try
again.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from shared.domain.ports import Clock

LOOK_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _Wait:
    connection: psycopg.Connection[Any]
    left_s: float
    hung_up: bool = False


class AnswerDeadline:
    """One watcher for all connections of a process.

    Its thread starts with the first wait, so after any fork.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waits: set[_Wait] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """Limit what this block asks of `connection` to about `seconds`; then the waiting call
        fails. Where the last answer came just as the socket was closed, the block succeeds and the
        connection is closed.
        """
        wait = _Wait(connection, seconds + LOOK_SECONDS)
        with self._lock:
            self._waits.add(wait)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, daemon=True, name="database-patience"
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._waits.remove(wait)
            if wait.hung_up:
                connection.close()

    def _watch(self) -> None:
        looked_s = self._clock.monotonic()
        while True:
            self._clock.sleep(LOOK_SECONDS)
            now_s = self._clock.monotonic()
            # A process that was stopped or starved for longer did not look either: answers may lie
            # there unread.
            passed_s, looked_s = min(now_s - looked_s, 2 * LOOK_SECONDS), now_s
            with self._lock:
                for wait in self._waits:
                    wait.left_s -= passed_s
                    if wait.left_s < 0 and not wait.hung_up:
                        wait.hung_up = True
                        _hang_up(wait.connection)


def _hang_up(connection: psycopg.Connection[Any]) -> None:
    """Shut the socket without touching the connection object, which its own thread is using."""
    try:
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
            line.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):  # it has ended by itself meanwhile
        return
