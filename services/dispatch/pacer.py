"""The pacer: what must happen next is readable from the rows; this makes it happen.

It keeps no truth of its own. Two pacers run side by side: every step is a conditional update that one of them wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from services.dispatch.offers import Offering
from shared.domain.errors import PartlyAway, Retryable
from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import parts_passed
from shared.domain.ports import (
    BoundsByCamera,
    CameraStates,
    Clock,
    DetectionStream,
    EventSink,
    FrameBuffer,
    Holds,
    Jobs,
    LiveSegment,
    Pacing,
    Parking,
)
from shared.domain.recording import Reached
from shared.runtime.logs import logger
from shared.runtime.metrics import LIVE_SEGMENTS
from shared.wire.tasks import Audit, Sweep

STALE_HOLD_SECONDS = 30.0
HOLD_EVERY_SECONDS = 1.0
# Longest stretch between two looks that counts as silence of a camera: what nobody saw is no silence.
LOOK_SECONDS = 0.5
SILENT_MARGIN_SECONDS = 2.0
SILENT_FRAMES = 2.5  # a camera of a frame in ten seconds is not silent between them
LEASES_EVERY_SECONDS = 1.0
TRIM_EVERY_SECONDS = 600.0
STREAM_KEPT_MS = 86_400_000
READER_KEPT_SECONDS = 3_600.0  # a dispatcher that has not read for an hour is dead; its share was taken over
EVENTS_BATCH = 200
RELAY_SECONDS = 2.0

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class PacerPorts:
    """What the pacer needs of the world.

    `periods_s` are those of sweep and audit; `hooks` the webhooks, with the names of the events each is to have.
    `behind_s` tells how far the intake is behind.
    """

    rows: Pacing
    offering: Offering
    frames: FrameBuffer
    holds: Holds
    parking: Parking
    states: CameraStates
    stream: DetectionStream
    events: EventSink
    jobs: Jobs
    clock: Clock
    cameras: tuple[str, ...]
    periods_s: Mapping[str, float]
    hooks: Mapping[str, Collection[str]] = field(default_factory=dict)
    behind_s: Callable[[], float] = lambda: 0.0


@dataclass(slots=True)
class _Watch:
    """For how long a camera's newest frame was seen not to move, while the frames Redis answered."""

    newest_ms: int
    still_s: float = 0.0
    pace_s: float | None = None  # between its last two frames, once somebody asked


@dataclass(slots=True)
class Pacer:
    """One pacer. Its three steps run side by side: recordings never wait for events or upkeep."""

    ports: PacerPorts
    _watches: dict[str, _Watch] = field(default_factory=dict)
    _looked_at: float = 0.0
    _held: dict[UUID, tuple[int, float]] = field(default_factory=dict)
    _unowned: dict[tuple[str, str], float] = field(default_factory=dict)
    _next: dict[str, float] = field(default_factory=dict)
    _events_at_once: int = EVENTS_BATCH
    _put_off: bool = False

    def tick(self) -> None:
        """One round of recordings. Raises Retryable when a server is away; the next round goes on from the rows."""
        if self._turn("leases", LEASES_EVERY_SECONDS):
            taken_back = self.ports.rows.expire_leases()
            if taken_back:
                _log.warning("leases_taken_back", count=taken_back)
            self.ports.offering.take_back_lost()
        live, self._put_off = self.ports.rows.live(), False
        LIVE_SEGMENTS.set(len(live))
        self._pace(live)
        if self._turn("holds", LEASES_EVERY_SECONDS):
            self._drop_stale_holds(live)

    def relay(self) -> int:
        """Hand on events that wait; how many there were.

        Fewer at once when the last ones took long or failed: a step that never ends in time would begin anew for ever.
        """
        began_s, limit = self.ports.clock.monotonic(), self._events_at_once
        self._events_at_once = max(1, limit // 4)
        relayed = self.ports.rows.relay_events(self.ports.events.publish_all, limit, self.ports.hooks)
        if self.ports.clock.monotonic() - began_s < RELAY_SECONDS:
            self._events_at_once = min(EVENTS_BATCH, limit * 2)
        return relayed

    def upkeep(self) -> None:
        """Start jobs that are due, and forget old messages and dead readers."""
        for job in self.ports.jobs.due(self.ports.periods_s):
            identifier = str(job.job_id)
            self.ports.offering.upkeep(Sweep(identifier) if job.kind == "cleanup" else Audit(identifier))
        if self._turn("trim", TRIM_EVERY_SECONDS):
            self.ports.stream.trim(self.ports.clock.now_ms() - STREAM_KEPT_MS)
            self.ports.stream.forget_readers(READER_KEPT_SECONDS)

    def _turn(self, name: str, every_s: float) -> bool:
        now = self.ports.clock.monotonic()
        if now < self._next.get(name, 0.0):
            return False
        self._next[name] = now + every_s
        return True

    def _pace(self, live: list[LiveSegment]) -> None:
        cameras = list(dict.fromkeys(segment.camera_id for segment in live))
        try:
            bounds = self.ports.frames.bounds(cameras)
        except PartlyAway:
            bounds = BoundsByCamera()  # all that is live is on a server that does not answer
            bounds.away.update(cameras)
        self._watch(cameras, bounds)
        here = [segment for segment in live if segment.camera_id not in bounds.away]
        changed = False
        for segment in here:
            silent, watermark_ms = self._silent(segment), _newest_ms(bounds, segment.camera_id)
            if segment.status == SegmentStatus.RECORDING:
                changed |= self._advance(segment, watermark_ms, silent=silent)
        if changed:
            here = [segment for segment in self.ports.rows.live() if segment.camera_id not in bounds.away]
        self._hold(here)
        self.ports.offering.parts(
            {
                segment.segment_id: None if self._silent(segment) else _newest_ms(bounds, segment.camera_id)
                for segment in here
                if segment.has_due
            }
        )
        self.ports.offering.clips()

    def _hold(self, live: Iterable[LiveSegment]) -> None:
        """Keep the frames that are still needed: said at once when that changes, and again every second."""
        now = self.ports.clock.monotonic()
        held: dict[UUID, tuple[int, float]] = {}
        for segment in live:
            if not segment.needs_frames:
                continue
            since_ms, said_at = self._held.get(segment.segment_id, (-1, 0.0))
            if since_ms != segment.hold_ms or now - said_at >= HOLD_EVERY_SECONDS:
                self.ports.holds.hold(segment.camera_id, {str(segment.segment_id): segment.hold_ms})
                said_at = now
            held[segment.segment_id] = (segment.hold_ms, said_at)
        self._held = held

    def _advance(self, segment: LiveSegment, watermark_ms: int, *, silent: bool) -> bool:
        """Plan and close what the buffer has passed; one recording that cannot be moved holds up no other."""
        still_s = self._watches[segment.camera_id].still_s if segment.camera_id in self._watches else 0.0
        most_behind_ms = max(0, segment.policy.most_late_ms - segment.late_ms)
        behind_ms = min(round(self.ports.behind_s() * 1000), most_behind_ms)
        reached = Reached(watermark_ms, silent, round(still_s * 1000), behind_ms)
        if not _moves(segment, reached):
            return False
        try:
            return self.ports.rows.advance(
                segment.camera_id, watermark_ms, silent=silent, still_ms=reached.still_ms, behind_ms=behind_ms,
                deadline_ms=segment.deadline_ms,
            )  # fmt: skip
        except Retryable as error:
            # One camera's lock may be stuck; what concerns them all comes again with the next.
            if self._put_off:
                raise
            self._put_off = True
            _log.warning("recording_put_off", segment_id=str(segment.segment_id), error=error.message)
            return False
        except Exception as error:  # noqa: BLE001 - each recording by itself
            _log.error("recording_not_moved", segment_id=str(segment.segment_id), error=repr(error))
            return False

    def _watch(self, cameras: Iterable[str], bounds: BoundsByCamera) -> None:
        """Note which cameras stand still. A round that fails before this adds nothing, a late one half a second.

        A camera whose server does not answer does not stand still: nobody looked.
        """
        now = self.ports.clock.monotonic()
        passed, self._looked_at = min(now - self._looked_at, LOOK_SECONDS), now
        watches: dict[str, _Watch] = {}
        for camera_id in cameras:
            newest_ms = bounds[camera_id].newest_ms if camera_id in bounds else -1
            before = self._watches.get(camera_id)
            if camera_id in bounds.away:
                watches |= {} if before is None else {camera_id: before}
                continue
            if before is None or before.newest_ms != newest_ms:
                watches[camera_id] = _Watch(newest_ms)
            else:
                before.still_s += passed
                watches[camera_id] = before
        self._watches = watches

    def _silent(self, segment: LiveSegment) -> bool:
        """True when nothing more will come: the newest frame has not moved for long, or capture says disconnected."""
        watch = self._watches.get(segment.camera_id)
        still_s = 0.0 if watch is None else watch.still_s
        long = still_s > segment.policy.buffer_seconds + SILENT_MARGIN_SECONDS
        if watch is not None and long and still_s > SILENT_FRAMES * self._pace_s(segment, watch):
            return True
        if still_s < LEASES_EVERY_SECONDS:
            return False
        state = self.ports.states.state(segment.camera_id)
        return state.get("state") == "disconnected" and state.get("outbox") == "0"

    def _pace_s(self, segment: LiveSegment, watch: _Watch) -> float:
        """Seconds between two frames of a camera: as far as its last two were apart, at least what is set for it."""
        if watch.pace_s is None:
            known = watch.newest_ms >= 0
            before = self.ports.frames.mark_before(segment.camera_id, watch.newest_ms) if known else None
            watch.pace_s = 0.0 if before is None else (watch.newest_ms - before.captured_ms) / 1000
        return max(1 / segment.policy.capture_fps, min(watch.pace_s, segment.policy.hold_cap_seconds))

    def _drop_stale_holds(self, live: list[LiveSegment]) -> None:
        """Release what nobody has stood behind for 30 s.

        Holds of finished segments and of messages never handled, and packets of parts that nobody waits for.
        """
        now = self.ports.clock.monotonic()
        owners = {(segment.camera_id, str(segment.segment_id)) for segment in live if segment.needs_frames}
        waiting = self.ports.rows.parked_parts()
        unowned: dict[tuple[str, str], float] = {}
        for camera_id in self.ports.cameras:
            try:
                holders, parked = self.ports.holds.holds(camera_id), self.ports.parking.parked_parts(camera_id)
                kept = [h for h in holders if (camera_id, h) not in owners]
                kept += [part_id for part_id in parked if (camera_id, part_id) not in waiting]
                stale = [h for h in kept if now - self._unowned.get((camera_id, h), now) > STALE_HOLD_SECONDS]
                if stale:
                    self.ports.holds.release(camera_id, stale)
                    self.ports.parking.unpark(camera_id, stale)
            except PartlyAway:
                continue
            unowned |= {(camera_id, h): self._unowned.get((camera_id, h), now) for h in kept if h not in stale}
        self._unowned = unowned


def _newest_ms(bounds: BoundsByCamera, camera_id: str) -> int:
    seen = bounds.get(camera_id)
    return 0 if seen is None else seen.newest_ms


def _moves(segment: LiveSegment, reached: Reached) -> bool:
    """Whether the buffer has passed something of a growing window: a part to plan, or its end."""
    late_ms = segment.late_ms + reached.behind_ms
    passed = parts_passed(
        segment.covered_to_ms, segment.deadline_ms, segment.policy.part_ms, reached.watermark_ms, late_ms
    )
    return reached.ends(segment.deadline_ms, segment.late_ms) or next(passed, None) is not None
