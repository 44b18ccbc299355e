"""In-memory twins of frames, holds, parking and objects for unit tests, and a clock that is set by
hand.

The contract tests hold the twins to what they ask of the real ones. Rows have no twin: their tests
run on Postgres.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from shared.domain.errors import Conflict, NotFound
from shared.domain.media import Frame, FrameMark
from shared.domain.ports import (
    Allowed,
    Appended,
    Bounds,
    BoundsByCamera,
    Buffered,
    BufferLimits,
    Clock,
    HandOver,
    StoredObject,
    StoreSpace,
)

HOLD_MARGIN_MS = 1_000


class SimulatedClock:
    """A clock whose sleep advances time and waits for nothing."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._passed_s = 0.0

    def now_ms(self) -> int:
        """See the port."""
        return self._start_ms + round(self._passed_s * 1000)

    def monotonic(self) -> float:
        """See the port."""
        return self._passed_s

    def sleep(self, seconds: float) -> None:
        """See the port."""
        self._passed_s += max(0.0, seconds)


class MemoryFrames:
    """Twin of RedisFrames."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames: dict[str, list[Frame]] = {}
        self._holds: dict[str, dict[str, int]] = {}

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        """See the port."""
        answers = []
        for frame in frames:
            kept = self._frames.setdefault(frame.camera_id, [])
            if kept and frame.captured_ms <= kept[-1].captured_ms:
                answers.append(
                    Appended(frame, stored=any(other.mark == frame.mark for other in kept))
                )
                continue
            insort(kept, frame, key=lambda f: f.captured_ms)
            self._trim(frame, limits[frame.camera_id])
            answers.append(Appended(frame, stored=True))
        return answers

    def _trim(self, newest: Frame, limit: BufferLimits) -> None:
        held = min(self._holds.get(newest.camera_id, {}).values(), default=None)
        oldest = newest.captured_ms - limit.keep_ms
        if held is not None:
            oldest = min(oldest, held - HOLD_MARGIN_MS)
        oldest = max(oldest, newest.captured_ms - limit.cap_ms)
        kept = [f for f in self._frames[newest.camera_id] if f.captured_ms >= oldest]
        while len(kept) > 1 and sum(len(f.data) for f in kept) > limit.max_bytes:
            kept.pop(0)
        self._frames[newest.camera_id] = kept

    def buffered(self, camera_id: str) -> Buffered | None:
        """See the port."""
        kept = self._frames.get(camera_id)
        if not kept:
            return None
        span_ms = kept[-1].captured_ms - kept[0].captured_ms
        size = sum(len(frame.data) for frame in kept)
        return Buffered(kept[-1].captured_ms, span_ms / 1000, size)

    def bounds(self, camera_ids: Sequence[str]) -> BoundsByCamera:
        """See the port."""
        found = {camera_id: self._frames.get(camera_id, []) for camera_id in camera_ids}
        return BoundsByCamera(
            {
                c: Bounds(kept[0].captured_ms, kept[-1].captured_ms)
                for c, kept in found.items()
                if kept
            }
        )

    def hold_then_bounds(self, holds: Mapping[str, Mapping[str, int]]) -> BoundsByCamera:
        """See the port."""
        self.hold_all(holds)
        return self.bounds(list(holds))

    def newest(self, camera_id: str) -> Frame | None:
        """See the port."""
        return next(reversed(self._frames.get(camera_id, [])), None)

    def read(self, camera_id: str, start_ms: int, end_ms: int) -> Iterator[Frame]:
        """See the port."""
        yield from [
            f for f in self._frames.get(camera_id, []) if start_ms <= f.captured_ms < end_ms
        ]

    def mark_before(self, camera_id: str, ms: int) -> FrameMark | None:
        """See the port."""
        earlier = [f for f in self._frames.get(camera_id, []) if f.captured_ms < ms]
        return earlier[-1].mark if earlier else None

    def mark_after(self, camera_id: str, ms: int) -> FrameMark | None:
        """See the port."""
        return next((f.mark for f in self._frames.get(camera_id, []) if f.captured_ms >= ms), None)

    def server_ms(self, camera_id: str) -> int:
        """See the port."""
        return self._clock.now_ms()

    def hold(self, camera_id: str, holds: Mapping[str, int]) -> None:
        """See the port."""
        self._holds.setdefault(camera_id, {}).update(holds)

    def hold_all(self, holds: Mapping[str, Mapping[str, int]]) -> set[str]:
        """See the port."""
        for camera_id, each in holds.items():
            self.hold(camera_id, each)
        return set(holds)

    def hand_over(self, changes: Mapping[str, HandOver]) -> dict[str, bool]:
        """See the port."""
        new: dict[str, bool] = {}
        for camera_id, change in changes.items():
            held = self._holds.setdefault(camera_id, {})
            new[camera_id] = not change.segments.keys() <= held.keys()
            self._holds[camera_id] = {**change.segments, **held}
            self.release(camera_id, change.holders)
        return new

    def release(self, camera_id: str, holders: Iterable[str]) -> None:
        """See the port."""
        for holder in holders:
            self._holds.get(camera_id, {}).pop(holder, None)

    def holds(self, camera_id: str) -> dict[str, int]:
        """See the port."""
        return dict(self._holds.get(camera_id, {}))


class MemoryParking:
    """Twin of RedisParking."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, bytes]] = {}

    def park(self, camera_id: str, part_id: str, data: bytes, budget_bytes: int) -> bool:
        """See the port."""
        waiting = self._parts.setdefault(camera_id, {})
        others = sum(len(other) for name, other in waiting.items() if name != part_id)
        if others + len(data) > budget_bytes:
            return False
        waiting[part_id] = data
        return True

    def parked(self, camera_id: str, part_id: str) -> bytes | None:
        """See the port."""
        return self._parts.get(camera_id, {}).get(part_id)

    def parked_parts(self, camera_id: str) -> list[str]:
        """See the port."""
        return list(self._parts.get(camera_id, {}))

    def unpark(self, camera_id: str, part_ids: Iterable[str]) -> None:
        """See the port."""
        for part_id in part_ids:
            self._parts.get(camera_id, {}).pop(part_id, None)


class MemoryObjects:
    """Twin of the object stores."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[str, tuple[bytes, int]] = {}

    def prepare(self) -> None:
        """See the port."""

    def close(self) -> None:
        """See the port."""

    def put(
        self,
        key: str,
        body: bytes | Path,
        content_type: str,
        *,
        patience_s: float | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        """See the port."""
        if allowed is not None and not allowed():
            raise Conflict("the lease was lost before it was stored", key=key)
        data = body.read_bytes() if isinstance(body, Path) else bytes(body)
        self._objects[key] = (data, self._clock.now_ms())

    def get(self, key: str) -> bytes:
        """See the port."""
        if key not in self._objects:
            raise NotFound(f"there is no object {key}", key=key)
        return self._objects[key][0]

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See the port."""
        data = self.get(key)[start:]
        yield data if length is None else data[:length]

    def head(self, key: str) -> StoredObject | None:
        """See the port."""
        found = self._objects.get(key)
        return None if found is None else StoredObject(key, len(found[0]), found[1])

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """See the port."""
        for key in sorted(self._objects):
            if key.startswith(prefix) and key > after:
                yield StoredObject(key, len(self._objects[key][0]), self._objects[key][1])

    def abandon_uploads(self, before_ms: int) -> int:
        """See the port; nothing here is ever half there."""
        return 0

    def presigned(self, key: str, seconds: float, file_name: str, content_type: str) -> str | None:
        """See the port; there is no server to send a browser to."""
        return None

    def room(self) -> StoreSpace | None:
        """See the port; memory does not say."""
        return None

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """See the port."""
        for key in keys:
            self._objects.pop(key, None)
        return {}
