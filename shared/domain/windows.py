"""A camera's windows: which stretches of its time live segments record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Window:
    """A live segment's stretch of time; `growing` while it is `recording`.

    late_ms: by how much its latest detection was late. fillable: made for a stretch in the past, so
    it never grew; until it is joined, late detections can lengthen it.
    """

    segment_id: UUID
    start_ms: int
    end_ms: int
    growing: bool
    late_ms: int = 0
    fillable: bool = False


@dataclass(frozen=True, slots=True)
class CameraWindows:
    """The windows of one camera near the input, in order of time and without overlap."""

    windows: tuple[Window, ...] = ()

    @property
    def growing(self) -> Window | None:
        """The recording that can still be extended, or None."""
        return next((w for w in self.windows if w.growing), None)

    def meeting(self, start_ms: int, end_ms: int) -> tuple[Window, ...]:
        """Returns the windows that share time with [start, end)."""
        return tuple(w for w in self.windows if w.start_ms < end_ms and start_ms < w.end_ms)

    def uncovered(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """Yields the stretches of [start, end) that no window holds."""
        at = start_ms
        for window in self.meeting(start_ms, end_ms):
            if window.start_ms > at:
                yield at, window.start_ms
            at = max(at, window.end_ms)
        if at < end_ms:
            yield at, end_ms

    def beyond(self, before: CameraWindows) -> list[tuple[UUID, int, int]]:
        """Returns what these windows cover and the earlier ones did not: segment, start and end,
        one stretch a segment.
        """
        ends = {window.segment_id: window.end_ms for window in before.windows}
        stretches = (
            (w.segment_id, ends.get(w.segment_id, w.start_ms), w.end_ms) for w in self.windows
        )
        return [stretch for stretch in stretches if stretch[1] < stretch[2]]

    def with_(self, changed: Window) -> CameraWindows:
        """Returns these windows with `changed` in the place of its segment, or added."""
        others = [w for w in self.windows if w.segment_id != changed.segment_id]
        return CameraWindows(tuple(sorted([*others, changed], key=lambda w: w.start_ms)))
