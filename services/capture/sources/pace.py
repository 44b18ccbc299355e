"""When a synthetic or played picture is due, and at what capture time."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.ports import Clock


@dataclass(slots=True)
class Pace:
    """Plays a source's own time on the real clock, `speed` times as fast.

    At speed 1 pictures are live. A faster source must end by now, so it begins `duration_s` ago and
    carries absolute capture times. Speed 0 waits for nothing.
    """

    clock: Clock
    speed: float
    duration_s: float | None
    _began_s: float = 0.0
    _base_ms: int = 0

    def begin(self) -> None:
        """Start the clock at the source's time 0."""
        self._began_s = self.clock.monotonic()
        self._base_ms = self.clock.now_ms() - round((self.duration_s or 0) * 1000)

    def wait(self, source_s: float) -> int | None:
        """Wait until the picture at source_s is due.

        Returns its capture time, None when arrival decides (live).
        """
        if self.speed > 0:
            ahead = source_s / self.speed - (self.clock.monotonic() - self._began_s)
            if ahead > 0:
                self.clock.sleep(ahead)
        return None if self.speed == 1 else self._base_ms + round(source_s * 1000)
