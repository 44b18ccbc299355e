"""The demonstration: synthetic cameras, a real deployment, clips that are fetched and decoded at
the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platereel.embedded.stack import Stack
from platereel.wiring import Desk, WatchRow, cameras_now
from shared.adapters.video.join import frame_times_ms
from shared.domain.errors import Permanent
from shared.domain.lifecycle import SegmentStatus
from shared.domain.ports import Order, SegmentFilter
from shared.domain.segment import FoundSegment
from shared.domain.timing import to_ms
from shared.runtime.logs import logger
from shared.runtime.settings import Settings

SETTLE_SECONDS = 60.0
POLL_SECONDS = 0.2
LIVE = {SegmentStatus.RECORDING, SegmentStatus.FINALIZING}

_log = logger(__name__)

CAMERA = """\
  gate-{number}: {{source: "synthetic:street?seed={number}&first={first}&interval=15"}}
"""
CONFIG = """\
# The demonstration's cameras: synthetic streets with vehicles that carry plates.
defaults: {{buffer_seconds: 3, post_event_seconds: 4, fps: 15}}
api: {{host: 127.0.0.1}}
cameras:
{cameras}"""


def configuration(cameras: int) -> str:
    """Returns a configuration of so many synthetic cameras; their vehicles come a little after one
    another.
    """
    lines = (CAMERA.format(number=n, first=2 + (n - 1) * 3 % 12) for n in range(1, cameras + 1))
    return CONFIG.format(cameras="".join(lines))


@dataclass(slots=True)
class Rehearsal:
    """What happened so far, for the display."""

    phase: str = "starting"
    cameras: list[WatchRow] = field(default_factory=list)
    detections: int = 0
    segments: list[FoundSegment] = field(default_factory=list)
    restarts: int = 0


class Demo:
    """Runs one demonstration on a started stack.

    `show` is called with the state several times a second.
    """

    def __init__(
        self, stack: Stack, settings: Settings, desk: Desk, show: Callable[[Rehearsal], None]
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._desk = desk
        self._show = show
        self._began_ms = stack.began_ms  # the first vehicle may have come before the API was ready
        self.state = Rehearsal()

    def run(self, duration_s: float, stopping: Callable[[], bool]) -> None:
        """Let traffic pass for duration_s, then wait for the last recordings to be ready."""
        self.state.phase = "traffic"
        self._watch(duration_s, stopping, lambda: False)
        self.state.phase = "finishing"
        self._stack.stop_detection()
        self._watch(
            SETTLE_SECONDS, stopping, lambda: not any(s.status in LIVE for s in self.state.segments)
        )
        self.state.phase = "done"
        self._show(self.state)

    def _watch(
        self, seconds: float, stopping: Callable[[], bool], done: Callable[[], bool]
    ) -> None:
        clock = self._desk.clock
        until = clock.monotonic() + seconds
        while clock.monotonic() < until and not stopping():
            self._stack.poll()
            self._look()
            self._show(self.state)
            if done():
                return
            clock.sleep(POLL_SECONDS)

    def _look(self) -> None:
        where = SegmentFilter(from_ms=self._began_ms - 60_000)
        page = self._desk.segments.search(
            where=where, limit=100, offset=0, cursor=None, order=Order.OLDEST
        )
        self.state.segments = [row for row in page.items if to_ms(row.created_at) >= self._began_ms]
        self.state.detections = self._desk.detections.count_since(self._began_ms)
        self.state.cameras = cameras_now(self._desk, self._settings)
        self.state.restarts = self._stack.restarts()

    def clips(self, folder: Path) -> list[dict[str, Any]]:
        """Fetch every clip into `folder` and decode it. Returns one entry for each."""
        folder.mkdir(parents=True, exist_ok=True)
        return [self._clip(row, folder) for row in self.state.segments]

    def _clip(self, found: FoundSegment, folder: Path) -> dict[str, Any]:
        detail = self._desk.segments.get(found.id)
        plates = [d.plate for d in detail.detections if d.plate]
        clip = detail.clip
        target = folder / f"{detail.camera_id}_{detail.start_time:%Y%m%dT%H%M%S}_{detail.id}.mp4"
        decodes = False
        if clip is not None:
            with target.open("wb") as out:
                out.writelines(self._desk.store.stream(clip.key))
            decodes = _decodes(target, clip.frame_count)
        return {
            "segment_id": str(detail.id),
            "camera_id": detail.camera_id,
            "plate": max(plates, key=plates.count) if plates else None,
            "start_time": detail.start_time.isoformat(),
            "duration_seconds": detail.duration_seconds,
            "pre_roll_delivered_seconds": detail.pre_roll_delivered_seconds,
            "frame_count": detail.frame_count,
            "file_size_bytes": detail.file_size_bytes,
            "download_url": f"{self._stack.api_url}/v2/video/segments/{detail.id}/download",
            "file_path": detail.file_path,
            "local_path": None if clip is None else str(target),
            "status": detail.status,
            "decodes": decodes,
        }


def _decodes(path: Path, frame_count: int) -> bool:
    try:
        return len(frame_times_ms(path)) == frame_count
    except Permanent as error:
        _log.error("clip_does_not_decode", path=str(path), error=error.message)
        return False
