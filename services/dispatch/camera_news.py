"""Tells that a camera is down, and that it is up again.

A camera is down once it has not delivered for `down_s` while this process looked: a short reconnect
tells nothing, and neither does a frames Redis that does not answer. What a capture process said
before it died counts as silence soon. No two hosts' clocks are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.camera import UP, CameraNews, CameraState, cause_of
from shared.domain.ports import CameraNewsRows, CameraStates, Clock

# A look that was late adds no more than this to the time for which a camera was seen to be down.
LOOK_SECONDS = 2.0
# Capture reports every second; a report that is as old as this is nobody's.
SILENT_SECONDS = 6.0


@dataclass(slots=True)
class _Watch:
    """For how long a camera's report was seen not to change, and since when it is up or down."""

    report: str = ""
    still_s: float = 0.0
    up: bool | None = None
    since_ms: int = 0
    lasts_s: float = 0.0


@dataclass(slots=True)
class CameraWatcher:
    """Watches cameras from one look to the next."""

    rows: CameraNewsRows
    states: CameraStates
    clock: Clock
    cameras: Sequence[str]
    down_s: float
    _watches: dict[str, _Watch] = field(default_factory=dict)
    _looked_at: float | None = None
    # what the rows said when this process asked last
    _told: Mapping[str, CameraNews] | None = None

    def look(self) -> int:
        """Look once. Returns how many cameras' news were told.

        Raises Retryable while a server is away; that time is nobody's.
        """
        if not self.cameras:
            return 0
        looked_at, self._looked_at = self._looked_at, None
        states = self.states.states_of(self.cameras)
        now = self._looked_at = self.clock.monotonic()
        passed_s = 0.0 if looked_at is None else min(now - looked_at, LOOK_SECONDS)
        seen = [self._seen(camera_id, state, passed_s) for camera_id, state in states.items()]
        told = self.rows.told() if self._told is None else self._told
        news = [each for each in seen if each is not None and _is_new(each, told)]
        count = self.rows.tell(news) if news else 0
        self._told = None if news else told
        return count

    def _seen(self, camera_id: str, state: Mapping[str, str], passed_s: float) -> CameraNews | None:
        """Returns how a camera is; None while it has not been down for long enough."""
        watch = self._watches.setdefault(camera_id, _Watch())
        report = f"{state.get('owner')} {state.get('updated_ms')}"
        watch.still_s = watch.still_s + passed_s if report == watch.report else 0.0
        watch.report = report
        silent = watch.still_s > SILENT_SECONDS
        how = CameraState.UNKNOWN if silent else CameraState(state.get("state", ""))
        up = how in UP
        if watch.up != up:
            watch.up, watch.since_ms, watch.lasts_s = up, self.clock.now_ms(), 0.0
        else:
            watch.lasts_s += passed_s
        if not up and watch.lasts_s < self.down_s:
            return None
        return CameraNews(
            camera_id=camera_id,
            down=not up,
            state=how,
            cause=cause_of(how, "" if silent else state.get("error", "")),
            since_ms=watch.since_ms,
        )


def _is_new(news: CameraNews, told: Mapping[str, CameraNews]) -> bool:
    return news.camera_id not in told or told[news.camera_id].down != news.down
