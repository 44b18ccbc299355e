"""Limits how often an address may present a wrong key."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from shared.domain.ports import Clock

MOST_FAILURES, WINDOW_SECONDS = 10, 60.0
REMEMBERED = 10_000


@dataclass(slots=True)
class Attempts:
    """Failures by address within the last minute, of this process. Its size is bounded."""

    clock: Clock
    _failures: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def failed(self, address: str) -> None:
        """Note a failure."""
        recent = self._recent(address)
        recent.append(self.clock.monotonic())
        self._failures[address] = recent
        self._failures.move_to_end(address)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def wait_s(self, address: str) -> float:
        """Returns how long (s) the address must wait; 0: not at all."""
        recent = self._recent(address)
        if len(recent) < MOST_FAILURES:
            return 0.0
        return max(0.0, recent[-MOST_FAILURES] + WINDOW_SECONDS - self.clock.monotonic())

    def _recent(self, address: str) -> list[float]:
        since = self.clock.monotonic() - WINDOW_SECONDS
        return [at for at in self._failures.get(address, []) if at > since][-MOST_FAILURES:]
