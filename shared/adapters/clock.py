"""The one place that reads a clock."""

from __future__ import annotations

import time


class SystemClock:
    """Implements the port `Clock`."""

    def now_ms(self) -> int:
        """See the port."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """See the port."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See the port."""
        time.sleep(seconds)
