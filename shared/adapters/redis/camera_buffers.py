"""One buffer for cameras that are recorded from JPEG and cameras whose packets are copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from shared.domain.errors import PartlyAway
from shared.domain.media import Frame, FrameMark
from shared.domain.ports import (
    Appended,
    Bounds,
    BoundsByCamera,
    Buffered,
    BufferLimits,
    FrameBuffer,
)


class CameraBuffers:
    """Implements the port `FrameBuffer`: finds the buffer that a camera's clips are made of.

    copied: whether a camera's clips are made of its own packets; None where its connection decides.
    Such a camera may have left frames in both: the bounds are those of both together, and single
    frames are looked for among its packets first.
    """

    def __init__(
        self, frames: FrameBuffer, packets: FrameBuffer, copied: Callable[[str], bool | None]
    ) -> None:
        self._frames, self._packets, self._copied = frames, packets, copied

    def _of(self, camera_id: str) -> tuple[FrameBuffer, ...]:
        copied = self._copied(camera_id)
        both = (self._packets, self._frames)
        return both if copied is None else both[:1] if copied else both[1:]

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        """Sends each frame to the buffer of its kind.

        A camera changes its kind only from one run to the next. So each camera's earlier run comes
        first: no frame of another kind is there before the older ones.
        """
        runs: dict[str, str] = {}
        first = [f for f in frames if runs.setdefault(f.camera_id, f.run_id) == f.run_id]
        answers: list[Appended] = []
        for buffer, batch in (
            (self._frames, [frame for frame in first if frame.packet is None]),
            (self._packets, [frame for frame in first if frame.packet is not None]),
        ):
            answers += buffer.append(batch, limits) if batch else []
        later = [frame for frame in frames if frame.run_id != runs[frame.camera_id]]
        return answers + (self.append(later, limits) if later else [])

    def buffered(self, camera_id: str) -> Buffered | None:
        """The newest and the seconds of what clips are made of; the bytes of both buffers."""
        found = [buffer.buffered(camera_id) for buffer in (self._frames, self._packets)]
        there = [each for each in found if each is not None]
        if not there:
            return None
        of_clips = self._of(camera_id)[0].buffered(camera_id) or there[0]
        return replace(of_clips, bytes=sum(each.bytes for each in there))

    def bounds(self, camera_ids: Sequence[str]) -> BoundsByCamera:
        return self._both(camera_ids, lambda buffer, cameras: buffer.bounds(cameras))

    def hold_then_bounds(self, holds: Mapping[str, Mapping[str, int]]) -> BoundsByCamera:
        return self._both(
            list(holds),
            lambda buffer, cameras: buffer.hold_then_bounds(
                {each: holds[each] for each in cameras}
            ),
        )

    def _both(
        self, camera_ids: Sequence[str], look: Callable[[FrameBuffer, list[str]], BoundsByCamera]
    ) -> BoundsByCamera:
        """Ask each buffer for its cameras. A camera of both has the bounds of both."""
        found = BoundsByCamera()
        for buffer in (self._frames, self._packets):
            cameras = [each for each in camera_ids if buffer in self._of(each)]
            try:
                answers = look(buffer, cameras) if cameras else BoundsByCamera()
            except PartlyAway:
                found.away.update(cameras)
                if len(found.away) == len(camera_ids):
                    raise
                continue
            found.away |= answers.away
            for camera_id, bounds in answers.items():
                other = found.get(camera_id, bounds)
                found[camera_id] = Bounds(
                    min(bounds.oldest_ms, other.oldest_ms), max(bounds.newest_ms, other.newest_ms)
                )
        return found

    def newest(self, camera_id: str) -> Frame | None:
        found = (buffer.newest(camera_id) for buffer in self._of(camera_id))
        return max(
            (frame for frame in found if frame is not None),
            key=lambda frame: frame.captured_ms,
            default=None,
        )

    def read(self, camera_id: str, start_ms: int, end_ms: int) -> Iterator[Frame]:
        return self._of(camera_id)[0].read(camera_id, start_ms, end_ms)

    def mark_before(self, camera_id: str, ms: int) -> FrameMark | None:
        found = (buffer.mark_before(camera_id, ms) for buffer in self._of(camera_id))
        return next((mark for mark in found if mark is not None), None)

    def mark_after(self, camera_id: str, ms: int) -> FrameMark | None:
        found = (buffer.mark_after(camera_id, ms) for buffer in self._of(camera_id))
        return next((mark for mark in found if mark is not None), None)

    def server_ms(self, camera_id: str) -> int:
        return self._frames.server_ms(camera_id)
