"""The frame buffer on Redis streams: explicit capture-time ids, trimming by time that respects
holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import redis

from shared.adapters.redis.frame_scripts import (
    BOUNDS,
    HAND_OVER,
    HOLD,
    HOLD_THEN_BOUNDS,
    MARK,
    SHED,
)
from shared.adapters.redis.scripts import Call, run_script
from shared.adapters.redis.servers import FrameServers
from shared.adapters.redis.stored_sizes import StoredSizes
from shared.domain.errors import PartlyAway, Retryable
from shared.domain.media import Frame, FrameMark
from shared.domain.ports import (
    Appended,
    Bounds,
    BoundsByCamera,
    Buffered,
    BufferLimits,
    HandOver,
)
from shared.wire.frames import decode_frame, decode_mark, encode_frame, entry_id
from shared.wire.keys import Keys

PAGE_FRAMES = 8
HOLD_MARGIN_MS = 1_000
# Holds are looked at this often, not with every frame; a buffer reaches back so much further.
LOOK_EVERY_MS = 250
EXPIRY_EVERY_MS = 5_000
EXPIRY_MARGIN_MS = 15_000
_NOT_NEWEST = "equal or smaller"
# after the last hold was set: a camera that is gone from the configuration leaves none
HOLDS_KEPT_MS = 86_400_000


class RedisFrames:
    """Implements the ports `FrameBuffer` and `Holds`.

    Byte accounting covers what this process appended; the frames of a camera's earlier owner age
    out within the cap. After an outage nothing is trimmed by age for as long as the buffer normally
    reaches, because a hold could not be set meanwhile.
    """

    def __init__(self, servers: FrameServers, keys: Keys) -> None:
        self._servers = servers
        self._keys = keys
        self._sizes: dict[str, StoredSizes] = {}
        self._smallest_hold: dict[str, int | None] = {}
        self._lenient_until: dict[str, int] = {}
        self._looked_ms: dict[str, int] = {}  # when its holds were read
        self._aged_ms: dict[str, int] = {}  # when its expiry was set
        self._had_outage = False

    def _key(self, camera_id: str) -> str:
        return self._keys.frames(camera_id)

    def _encode(self, frame: Frame) -> dict[str, bytes | int | str]:
        return encode_frame(frame)

    def _decode(self, camera_id: str, identifier: bytes, fields: Mapping[bytes, bytes]) -> Frame:
        return decode_frame(camera_id, identifier, fields)

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        """Usually one round trip a server.

        A frame that is there already counts as stored (a lost reply).
        """
        cameras = dict.fromkeys(frame.camera_id for frame in frames)
        answers: list[Appended] = []
        groups = self._servers.together({camera_id: self._key(camera_id) for camera_id in cameras})
        for group in groups:
            batch = [frame for frame in frames if frame.camera_id in group]
            try:
                with self._servers.talking(self._key(group[0])) as server:
                    answers += self._append(server, batch, group, limits)
            except Retryable as error:
                self._had_outage = True
                for camera_id in group:
                    self._smallest_hold.pop(camera_id, None)
                    self._looked_ms.pop(camera_id, None)
                    self._aged_ms.pop(camera_id, None)
                if not isinstance(error, PartlyAway):
                    raise
                answers += [Appended(frame, stored=False, waits=True) for frame in batch]
        return answers

    def _append(
        self,
        server: redis.Redis,
        frames: Sequence[Frame],
        cameras: list[str],
        limits: Mapping[str, BufferLimits],
    ) -> list[Appended]:
        self._learn_holds(server, frames, cameras, limits)
        pipe = server.pipeline(transaction=False)
        for frame in frames:
            oldest = self._oldest_needed(frame, limits[frame.camera_id])
            fields = (part for pair in self._encode(frame).items() for part in pair)
            # as xadd() sends it, without its checks of every call
            head = ("XADD", self._key(frame.camera_id), "MINID", "~", entry_id(oldest))
            pipe.execute_command(*head, entry_id(frame.captured_ms), *fields)  # type: ignore[no-untyped-call]
        stale = self._due(frames, self._looked_ms, LOOK_EVERY_MS)
        for camera_id in stale:
            pipe.zrange(self._keys.holds(camera_id), 0, 0, withscores=True)
        for camera_id in self._due(frames, self._aged_ms, EXPIRY_EVERY_MS):
            limit = limits[camera_id]
            pipe.pexpire(self._key(camera_id), limit.cap_ms + limit.keep_ms + EXPIRY_MARGIN_MS)
        replies = pipe.execute(raise_on_error=False)
        answers = [self._settle(server, f, r) for f, r in zip(frames, replies, strict=False)]
        for camera_id, reply in zip(stale, replies[len(frames) :], strict=False):
            if isinstance(reply, Exception):
                raise reply
            self._smallest_hold[camera_id] = int(reply[0][1]) if reply else None
        return answers

    def _due(self, frames: Sequence[Frame], seen_ms: dict[str, int], every_ms: int) -> list[str]:
        """Returns cameras that were seen to too long ago, by the frames' own time, and notes that
        they are seen to now.
        """
        newest = {frame.camera_id: frame.captured_ms for frame in frames}
        due = [c for c, ms in newest.items() if abs(ms - seen_ms.get(c, -every_ms)) >= every_ms]
        seen_ms |= {camera_id: newest[camera_id] for camera_id in due}
        return due

    def _learn_holds(
        self,
        server: redis.Redis,
        frames: Sequence[Frame],
        cameras: list[str],
        limits: Mapping[str, BufferLimits],
    ) -> None:
        """A camera that is new here, or whose server was away, may have holds already."""
        for camera_id in cameras:
            if camera_id in self._smallest_hold:
                continue
            found: Any = server.zrange(self._keys.holds(camera_id), 0, 0, withscores=True)
            self._smallest_hold[camera_id] = int(found[0][1]) if found else None
            if self._had_outage:
                first_ms = min(
                    frame.captured_ms for frame in frames if frame.camera_id == camera_id
                )
                self._lenient_until[camera_id] = first_ms + limits[camera_id].keep_ms

    def _oldest_needed(self, frame: Frame, limit: BufferLimits) -> int:
        """Count the frame.

        Returns the time (ms) before which entries may be trimmed: by time, holds, and the caps in
        seconds and bytes.
        """
        newest = frame.captured_ms
        sizes = self._sizes.setdefault(frame.camera_id, StoredSizes())
        if sizes.begins_anew(newest):
            self._lenient_until.pop(frame.camera_id, None)
        lenient = newest < self._lenient_until.get(frame.camera_id, 0)
        oldest = newest - (limit.cap_ms if lenient else limit.keep_ms + LOOK_EVERY_MS)
        held = self._smallest_hold.get(frame.camera_id)
        if held is not None:
            oldest = min(oldest, held - HOLD_MARGIN_MS)
        sizes.add(newest, len(frame.data))
        oldest = sizes.trim(max(oldest, newest - limit.cap_ms), limit.max_bytes)
        return max(0, min(oldest, newest))

    def _settle(self, server: redis.Redis, frame: Frame, reply: object) -> Appended:
        if not isinstance(reply, Exception):
            return Appended(frame, stored=True)
        if isinstance(reply, redis.exceptions.OutOfMemoryError):
            return self._again(server, frame)
        if isinstance(reply, redis.ResponseError) and _NOT_NEWEST in str(reply):
            return Appended(frame, stored=self._is_there(server, frame))
        raise reply

    def _again(self, server: redis.Redis, frame: Frame) -> Appended:
        """Store a frame that a server at its maxmemory refused: drop the older half of the camera's
        pre-roll first. What a recording holds stays. If that is not enough the frame waits
        (Retryable), and in the end its loss is counted.
        """
        key, entry, identifier = (
            self._key(frame.camera_id),
            self._encode(frame),
            entry_id(frame.captured_ms),
        )
        shed = 0
        try:
            try:
                server.xadd(key, dict(entry.items()), id=identifier)
            except redis.exceptions.OutOfMemoryError:
                shed = self._shed(server, frame.camera_id)
                server.xadd(key, dict(entry.items()), id=identifier)
        except redis.exceptions.OutOfMemoryError:
            raise
        except redis.ResponseError as error:
            if _NOT_NEWEST not in str(error):
                raise
            return Appended(frame, stored=False, shed=shed)  # a later frame of the batch found room
        return Appended(frame, stored=True, shed=shed)

    def _shed(self, server: redis.Redis, camera_id: str) -> int:
        """Delete the older half of what is there, but nothing that is held. Returns how many."""
        keys = [self._key(camera_id), self._keys.holds(camera_id)]
        return int(server.register_script(SHED)(keys=keys))

    def _is_there(self, server: redis.Redis, frame: Frame) -> bool:
        identifier = entry_id(frame.captured_ms)
        found: Any = server.xrange(self._key(frame.camera_id), identifier, identifier)
        return bool(found) and decode_mark(*found[0]) == frame.mark

    def buffered(self, camera_id: str) -> Buffered | None:
        sizes = self._sizes.get(camera_id)
        return None if sizes is None else sizes.buffered()

    def bounds(self, camera_ids: Sequence[str]) -> BoundsByCamera:
        return self._look(
            BOUNDS, {camera_id: ([self._key(camera_id)], []) for camera_id in camera_ids}
        )

    def hold_then_bounds(self, holds: Mapping[str, Mapping[str, int]]) -> BoundsByCamera:
        return self._look(
            HOLD_THEN_BOUNDS,
            {
                camera_id: (
                    [self._key(camera_id), self._keys.holds(camera_id)],
                    [HOLDS_KEPT_MS, *_pairs(held)],
                )
                for camera_id, held in holds.items()
            },
        )

    def _look(self, script: str, calls: Mapping[str, Call]) -> BoundsByCamera:
        """Run a script that answers oldest and newest id of each camera."""
        answers, found = self._on_cameras(script, calls), BoundsByCamera()
        for camera_id, reply in answers.items():
            if reply:
                found[camera_id] = Bounds(*(int(each.split(b"-")[0]) for each in reply))
        found.away |= calls.keys() - answers.keys()
        return found

    def _on_cameras(self, script: str, calls: Mapping[str, Call]) -> dict[str, Any]:
        """Run a script for each camera, in one exchange a server. Returns its answers; a camera
        whose server does not answer while others do has none.
        """
        found: dict[str, Any] = {}
        for group in self._servers.together({c: keys[0] for c, (keys, _) in calls.items()}):
            try:
                with self._servers.talking(calls[group[0]][0][0]) as server:
                    answers = run_script(server, script, [calls[each] for each in group])
            except PartlyAway:
                if len(group) == len(calls):
                    raise
                continue
            found |= zip(group, answers, strict=True)
        if calls and not found:
            raise PartlyAway("no node of the frames Redis Cluster that has these cameras answers")
        return found

    def newest(self, camera_id: str) -> Frame | None:
        key = self._key(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.xrevrange(key, count=1)
        return self._decode(camera_id, *found[0]) if found else None

    def read(self, camera_id: str, start_ms: int, end_ms: int) -> Iterator[Frame]:
        """A page is a few frames, so that no reply is huge and no other client waits long."""
        key, at = self._key(camera_id), entry_id(start_ms)
        while True:
            with self._servers.talking(key) as server:
                page: Any = server.xrange(key, at, f"({entry_id(end_ms)}", count=PAGE_FRAMES)
            for identifier, fields in page:
                yield self._decode(camera_id, identifier, fields)
            if len(page) < PAGE_FRAMES:
                return
            at = f"({page[-1][0].decode()}"

    def mark_before(self, camera_id: str, ms: int) -> FrameMark | None:
        return self._one_mark(camera_id, "XREVRANGE", f"({entry_id(ms)}", "-")

    def mark_after(self, camera_id: str, ms: int) -> FrameMark | None:
        return self._one_mark(camera_id, "XRANGE", entry_id(ms), "+")

    def _one_mark(self, camera_id: str, *search: str) -> FrameMark | None:
        key = self._key(camera_id)
        with self._servers.talking(key) as server:
            reply: Any = server.register_script(MARK)(keys=[key], args=list(search))
        if not reply:
            return None
        return decode_mark(reply[0], dict(zip(reply[1::2], reply[2::2], strict=True)))

    def server_ms(self, camera_id: str) -> int:
        with self._servers.talking(self._key(camera_id)) as server:
            seconds, microseconds = server.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def hold(self, camera_id: str, holds: Mapping[str, int]) -> None:
        self.hold_all({camera_id: holds} if holds else {})

    def hold_all(self, holds: Mapping[str, Mapping[str, int]]) -> set[str]:
        calls = {
            camera_id: ([self._keys.holds(camera_id)], [HOLDS_KEPT_MS, *_pairs(held)])
            for camera_id, held in holds.items()
        }
        return set(self._on_cameras(HOLD, calls))

    def hand_over(self, changes: Mapping[str, HandOver]) -> dict[str, bool]:
        calls: dict[str, Call] = {}
        for camera_id, change in changes.items():
            pairs = _pairs(change.segments)
            arguments = [HOLDS_KEPT_MS, len(pairs), *pairs, *change.holders]
            calls[camera_id] = [self._keys.holds(camera_id)], arguments
        return {c: bool(new) for c, new in self._on_cameras(HAND_OVER, calls).items()}

    def release(self, camera_id: str, holders: Iterable[str]) -> None:
        names, key = list(holders), self._keys.holds(camera_id)
        if names:
            with self._servers.talking(key) as server:
                server.zrem(key, *names)

    def holds(self, camera_id: str) -> dict[str, int]:
        key = self._keys.holds(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.zrange(key, 0, -1, withscores=True)
        return {member.decode(): int(score) for member, score in found}


def _pairs(holds: Mapping[str, int]) -> list[str | int]:
    return [part for holder, ms in holds.items() for part in (ms, holder)]
