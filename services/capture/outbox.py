"""The bounded queue between cameras and Redis: reading a camera never waits for Redis."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from shared.domain.camera import DropCause
from shared.domain.media import Frame
from shared.runtime.metrics import FRAMES_DROPPED

BATCH_FRAMES = 512
BATCH_BYTES = 8_000_000


def is_full(batch: Sequence[Frame]) -> bool:
    """Returns whether a batch holds as much as one may, so that more frames may wait."""
    return len(batch) >= BATCH_FRAMES or sum(len(frame.data) for frame in batch) >= BATCH_BYTES


class _Queue:
    def __init__(self, keep_ms: int, max_bytes: int) -> None:
        self.frames: deque[Frame] = deque()
        self.keep_ms, self.max_bytes = keep_ms, max_bytes
        self.size_bytes = 0
        self.dropped = 0


class Outbox:
    """A queue per camera, bounded in seconds and bytes.

    What does not fit is dropped, oldest first, and counted. Camera threads put, one sender thread
    takes. A frame has its counter already, so a drop is a hole that others can see.
    """

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._filled: dict[str, _Queue] = {}  # those with frames, the one that waits longest first
        self._changed = threading.Condition()

    def open(self, camera_id: str, keep_ms: int, max_bytes: int) -> None:
        """Make a queue for a camera; one that there was before gets these bounds."""
        with self._changed:
            queue = self._queues.setdefault(camera_id, _Queue(keep_ms, max_bytes))
            queue.keep_ms, queue.max_bytes = keep_ms, max_bytes

    def put(self, frame: Frame) -> None:
        """Add a frame; older ones are dropped when the bounds are passed."""
        with self._changed:
            queue = self._queues[frame.camera_id]
            queue.frames.append(frame)
            queue.size_bytes += len(frame.data)
            while len(queue.frames) > 1 and (
                frame.captured_ms - queue.frames[0].captured_ms > queue.keep_ms
                or queue.size_bytes > queue.max_bytes
            ):
                self._drop(queue, frame.camera_id)
            self._filled.setdefault(frame.camera_id, queue)
            self._changed.notify()

    def _drop(self, queue: _Queue, camera_id: str) -> None:
        queue.size_bytes -= len(queue.frames.popleft().data)
        queue.dropped += 1
        FRAMES_DROPPED.labels(camera_id, DropCause.OUTBOX_FULL).inc()

    def take(self, timeout_s: float, allowed: Callable[[str], bool]) -> list[Frame]:
        """Remove and return the oldest frames of every camera that may be written now, a batch at
        most.
        """
        with self._changed:
            self._changed.wait_for(lambda: any(map(allowed, self._filled)), timeout_s)
            batch: list[Frame] = []
            size = 0
            for camera_id in [each for each in self._filled if allowed(each)]:
                if len(batch) >= BATCH_FRAMES or size >= BATCH_BYTES:
                    break  # who had no turn now is first next time
                queue = self._filled.pop(camera_id)
                while queue.frames and len(batch) < BATCH_FRAMES and size < BATCH_BYTES:
                    frame = queue.frames.popleft()
                    queue.size_bytes -= len(frame.data)
                    size += len(frame.data)
                    batch.append(frame)
                if queue.frames:
                    self._filled[camera_id] = queue
            return batch

    def put_back(self, frames: list[Frame]) -> None:
        """Return frames that could not be written, in front of newer ones. The bounds hold."""
        with self._changed:
            for frame in reversed(frames):
                queue = self._queues[frame.camera_id]
                queue.frames.appendleft(frame)
                queue.size_bytes += len(frame.data)
                self._filled.setdefault(frame.camera_id, queue)
            for camera_id, queue in self._queues.items():
                while len(queue.frames) > 1 and (
                    queue.frames[-1].captured_ms - queue.frames[0].captured_ms > queue.keep_ms
                    or queue.size_bytes > queue.max_bytes
                ):
                    self._drop(queue, camera_id)

    def waiting(self, camera_id: str) -> int:
        """Returns how many frames of a camera wait."""
        with self._changed:
            queue = self._queues.get(camera_id)
            return 0 if queue is None else len(queue.frames)

    def newest_ms(self, camera_id: str) -> int | None:
        """Returns the capture time of a camera's newest waiting frame; None when there is none."""
        with self._changed:
            queue = self._queues.get(camera_id)
            return queue.frames[-1].captured_ms if queue is not None and queue.frames else None

    def dropped(self, camera_id: str) -> int:
        """Returns how many frames of a camera were dropped here."""
        with self._changed:
            queue = self._queues.get(camera_id)
            return 0 if queue is None else queue.dropped

    def empty(self) -> bool:
        """Returns True when nothing waits."""
        with self._changed:
            return not self._filled

    def discard(self, camera_id: str) -> None:
        """Drop what waits for a camera that another process has taken over, and count it."""
        with self._changed:
            queue = self._queues.get(camera_id)
            while queue is not None and queue.frames:
                self._drop(queue, camera_id)
            self._filled.pop(camera_id, None)
