"""Waits for a notification of the database."""

from __future__ import annotations

from typing import LiteralString

import psycopg

from shared.adapters.postgres.database import CHECK_SECONDS, Connection, connect, kinds, patience
from shared.domain.errors import Retryable


class Ear:
    """Listens to one channel, on a connection of its own that it opens again after it broke.

    One thread waits.
    """

    def __init__(self, url: str, channel: LiteralString) -> None:
        self._url, self._channel = url, channel
        self._connection: Connection | None = None

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification. Returns whether one may have come: also when it begins to
        listen, for nobody heard what came before. Raises Retryable.
        """
        try:
            with kinds():
                if self._connection is None:
                    self._connection = connect(self._url, autocommit=True)
                    with patience.within(self._connection, CHECK_SECONDS):
                        self._connection.execute(f"LISTEN {self._channel}")
                    return True
                return any(True for _ in self._connection.notifies(timeout=timeout_s, stop_after=1))
        except Retryable:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            try:
                self._connection.close()
            except psycopg.Error:
                return
            finally:
                self._connection = None
