"""What this process has stored of a camera, and the buffer still has: times and sizes."""

from __future__ import annotations

from collections import deque

from shared.domain.ports import Buffered


class StoredSizes:
    """Of one camera. One thread stores; another may ask what is buffered."""

    def __init__(self) -> None:
        self._sizes: deque[tuple[int, int]] = deque()
        self._total = 0

    def begins_anew(self, newest_ms: int) -> bool:
        """Forget everything where the camera's time was set back by more than its buffer holds;
        otherwise what comes would not count. Returns whether that was so.
        """
        if not self._sizes or newest_ms >= self._sizes[0][0]:
            return False
        self._sizes.clear()
        self._total = 0
        return True

    def add(self, captured_ms: int, size: int) -> None:
        """Count a frame, unless one as new as that is counted."""
        if not self._sizes or self._sizes[-1][0] < captured_ms:
            self._sizes.append((captured_ms, size))
            self._total += size

    def trim(self, oldest_ms: int, max_bytes: int) -> int:
        """Forget what is older, and what is too much. Returns the time before which nothing is
        left.
        """
        while self._sizes and (self._sizes[0][0] < oldest_ms or self._total > max_bytes):
            dropped_ms, size = self._sizes.popleft()
            self._total -= size
            oldest_ms = max(oldest_ms, dropped_ms + 1)
        return oldest_ms

    def buffered(self) -> Buffered | None:
        """Returns it as a whole; None while there is nothing."""
        try:
            oldest_ms, newest_ms = self._sizes[0][0], self._sizes[-1][0]
        except IndexError:
            return None
        return Buffered(newest_ms, (newest_ms - oldest_ms) / 1000, self._total)
