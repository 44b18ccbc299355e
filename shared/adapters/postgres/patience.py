"""A bound on how long a thread waits for the database.

libpq has no time limit for an answer: a server that is stopped, or a firewall that forgot a connection while something
in between still acknowledges packets, would hold a thread for ever. A watcher closes the socket of whoever waits too
long; the waiting call then ends with the error of a lost connection, which callers try again.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from shared.domain.ports import Clock

LOOK_SECONDS = 0.5


class Patience:
    """One watcher for all connections of a process; its thread starts with the first wait, so after any fork."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waits: dict[object, tuple[float, psycopg.Connection[Any]]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """What is asked of `connection` in this block ends within `seconds`, with an error if need be."""
        wait = object()
        with self._lock:
            self._waits[wait] = (self._clock.monotonic() + seconds, connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True, name="database-patience")
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._waits[wait]

    def _watch(self) -> None:
        while True:
            self._clock.sleep(LOOK_SECONDS)
            now = self._clock.monotonic()
            with self._lock:
                for until, connection in self._waits.values():
                    if now > until:
                        _hang_up(connection)


def _hang_up(connection: psycopg.Connection[Any]) -> None:
    """Shut the socket without touching the connection object, which its own thread is using."""
    try:
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
            line.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):  # it has ended by itself meanwhile
        return
