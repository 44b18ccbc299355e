"""Wakes a loop that would otherwise look again only after a while."""

from __future__ import annotations

import threading


class Bell:
    """Rung by any thread; one loop waits for it. A ring while nobody waits is not lost."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """End the loop's wait, or its next one."""
        self._rung.set()

    def wait(self, timeout_s: float) -> None:
        """Wait for a ring, at most so long."""
        self._rung.wait(timeout_s)
        self._rung.clear()
