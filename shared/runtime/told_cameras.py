"""Asks the frames Redis for cameras that are in no file, for processes that have no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.errors import Retryable
from shared.domain.made_cameras import MadeCamera
from shared.domain.ports import Clock, MadeCamerasTold
from shared.runtime.live_cameras import LOOK_SECONDS

# One of several servers may be away: what it costs to ask it would be taken from the other cameras.
PAUSE_SECONDS = 15.0


@dataclass(slots=True)
class ToldCameras:
    """What is told of them, asked for now and then; None in between, and while nobody can say."""

    told: MadeCamerasTold
    clock: Clock
    _next_s: float = float("-inf")

    def __call__(self) -> Mapping[str, MadeCamera] | None:
        """Returns them by id."""
        if self.clock.monotonic() < self._next_s:
            return None
        try:
            found = self.told.made()
        except Retryable:
            self._next_s = self.clock.monotonic() + PAUSE_SECONDS
            return None
        self._next_s = self.clock.monotonic() + LOOK_SECONDS
        return found
