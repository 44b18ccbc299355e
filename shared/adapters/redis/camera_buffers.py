"""One buffer for cameras that are recorded from JPEG and cameras whose packets are copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from shared.domain.media import Frame, FrameMark
from shared.domain.ports import Appended, BoundsByCamera, BufferLimits, FrameBuffer


class CameraBuffers:
    """Implements the port `FrameBuffer`: finds the buffer that a camera's clips are made of.

    copied: whether a camera's clips are made of its own packets.
    """

    def __init__(
        self, frames: FrameBuffer, packets: FrameBuffer, copied: Callable[[str], bool]
    ) -> None:
        self._frames, self._packets, self._copied = frames, packets, copied

    def _of(self, camera_id: str) -> FrameBuffer:
        return self._packets if self._copied(camera_id) else self._frames

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        """Sends each frame to the buffer of its kind."""
        answers: list[Appended] = []
        for buffer, batch in (
            (self._frames, [frame for frame in frames if frame.packet is None]),
            (self._packets, [frame for frame in frames if frame.packet is not None]),
        ):
            answers += buffer.append(batch, limits) if batch else []
        return answers

    def bounds(self, camera_ids: Sequence[str]) -> BoundsByCamera:
        found = self._frames.bounds([each for each in camera_ids if not self._copied(each)])
        copied = self._packets.bounds([each for each in camera_ids if self._copied(each)])
        found.update(copied)
        found.away |= copied.away
        return found

    def newest(self, camera_id: str) -> Frame | None:
        return self._of(camera_id).newest(camera_id)

    def read(self, camera_id: str, start_ms: int, end_ms: int) -> Iterator[Frame]:
        return self._of(camera_id).read(camera_id, start_ms, end_ms)

    def mark_before(self, camera_id: str, ms: int) -> FrameMark | None:
        return self._of(camera_id).mark_before(camera_id, ms)

    def mark_after(self, camera_id: str, ms: int) -> FrameMark | None:
        return self._of(camera_id).mark_after(camera_id, ms)

    def server_ms(self, camera_id: str) -> int:
        return self._frames.server_ms(camera_id)
