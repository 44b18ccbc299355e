"""The pacer reads from the rows what must happen next, and makes it happen.

It keeps no truth of its own. Two pacers run side by side: every step is a conditional update that
one of them wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf

from services.dispatch.closing import Closing
from services.dispatch.holding import Holding
from services.dispatch.offers import Offering
from services.dispatch.policies import Policies
from services.dispatch.silence import Silence
from shared.domain.errors import PartlyAway, Retryable
from shared.domain.job import JobKind
from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import parts_passed
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import (
    BoundsByCamera,
    Clock,
    DetectionStream,
    EventSink,
    FrameBuffer,
    JobRows,
    LiveSegment,
    PacerRows,
)
from shared.domain.recording import Reached
from shared.runtime.logs import logger
from shared.runtime.metrics import (
    LEASES_LOST,
    LIVE_SEGMENTS,
    PACER_AT,
    PACER_SECONDS,
    PASSES,
    TIME_TO_LOSS,
    from_zero,
)
from shared.wire.tasks import JOB_TASKS

LEASES_EVERY_SECONDS = 1.0
PASSES_EVERY_SECONDS = 0.5
TRIM_EVERY_SECONDS = 600.0
STREAM_KEPT_MS = 86_400_000
# a dispatcher that has not read for an hour is dead; its share was taken over
READER_KEPT_SECONDS = 3_600.0
EVENTS_BATCH = 200
RELAY_SECONDS = 2.0

_log = logger(__name__)
from_zero(LEASES_LOST, ["run"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PacerPorts:
    """What the pacer needs of the world. periods_s: how often each kind of job runs.

    webhooks: for each webhook, the names of the events that it gets. behind_s: how far the intake
    is behind.
    """

    rows: PacerRows
    offering: Offering
    holding: Holding
    silence: Silence
    closing: Closing
    frames: FrameBuffer
    stream: DetectionStream
    events: EventSink
    jobs: JobRows
    clock: Clock
    periods_s: Mapping[JobKind, float]
    webhooks: Mapping[str, Collection[str]] = field(default_factory=dict)
    policies: Policies = field(default_factory=lambda: Policies({}))
    behind_s: Callable[[], float] = lambda: 0.0


@dataclass(slots=True)
class Pacer:
    """One pacer. Its three steps run side by side: recordings never wait for events or jobs."""

    ports: PacerPorts
    _next: dict[str, float] = field(default_factory=dict)
    _events_at_once: int = EVENTS_BATCH
    _put_off: bool = False

    def tick(self) -> None:
        """Do one round of recordings.

        Raises Retryable when a server is away; the next round goes on from the rows.
        """
        with PACER_SECONDS.time():
            self._round()
        PACER_AT.set(self.ports.clock.now_ms() / 1000)

    def _round(self) -> None:
        if self._turn("leases", LEASES_EVERY_SECONDS):
            taken_back = self.ports.rows.expire_leases()
            if taken_back:
                _log.warning("leases_taken_back", count=taken_back)
                LEASES_LOST.labels("run").inc(taken_back)
            self.ports.offering.take_back_lost()
        live, self._put_off = self.ports.rows.live(), False
        LIVE_SEGMENTS.set(len(live))
        self._pace(live)
        if self._turn("passes", PASSES_EVERY_SECONDS):
            self._end_passes()
        if self._turn("holds", LEASES_EVERY_SECONDS):
            self.ports.holding.drop_stale(live)

    def _end_passes(self) -> None:
        try:
            PASSES.inc(self.ports.closing.look(self.ports.behind_s()))
        except PartlyAway:  # all cameras of open passes are on a server that does not answer
            return

    def relay(self) -> int:
        """Publish events that wait. Returns how many there were.

        Takes fewer at once when the last ones took long or failed: a step that never ends in time
        would begin anew for ever.
        """
        began_s, limit = self.ports.clock.monotonic(), self._events_at_once
        self._events_at_once = max(1, limit // 4)
        relayed = self.ports.rows.relay_events(
            self.ports.events.publish_all, limit, self.ports.webhooks
        )
        if self.ports.clock.monotonic() - began_s < RELAY_SECONDS:
            self._events_at_once = min(EVENTS_BATCH, limit * 2)
        return relayed

    def jobs(self) -> None:
        """Start jobs that are due, and forget old messages and dead readers."""
        for job in self.ports.jobs.due(self.ports.periods_s):
            self.ports.offering.job(JOB_TASKS[job.kind](str(job.job_id)))
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
        silence = self.ports.silence
        silence.look(cameras, bounds)
        here = [segment for segment in live if segment.camera_id not in bounds.away]
        TIME_TO_LOSS.set(_time_to_loss_s(here, bounds))
        recording = [each for each in here if each.status == SegmentStatus.RECORDING]
        # Capture tells what a camera decides before it stores the first frame; here it is asked for
        # after the newest frame was read. So no part is planned across the border.
        policies, changed = self.ports.policies.now({each.camera_id for each in recording}), False
        for segment in recording:
            if segment.camera_id not in policies.away:
                changed |= self._move(
                    segment,
                    _newest_ms(bounds, segment.camera_id),
                    policies.get(segment.camera_id),
                    silent=silence.of(segment),
                )
        if changed:
            here = [
                segment
                for segment in self.ports.rows.live()
                if segment.camera_id not in bounds.away
            ]
        self.ports.holding.keep(here)
        self.ports.offering.parts(
            {
                segment.segment_id: None
                if silence.of(segment)
                else _newest_ms(bounds, segment.camera_id)
                for segment in here
                if segment.has_due
            }
        )
        self.ports.offering.clips()

    def _move(
        self,
        segment: LiveSegment,
        watermark_ms: int,
        policy: RecordingPolicy | None,
        *,
        silent: bool,
    ) -> bool:
        """Plan and close what the buffer has passed; or let the recording go on in a new segment
        where its camera's clips are made of something else now.

        A recording that cannot be moved holds up no other.
        """
        most_behind_ms = max(0, segment.policy.most_late_ms - segment.late_ms)
        behind_ms = min(round(self.ports.behind_s() * 1000), most_behind_ms)
        reached = Reached(
            watermark_ms, silent, self.ports.silence.still_ms(segment.camera_id), behind_ms
        )
        crosses = policy is not None and _crosses(segment, policy)
        if not crosses and not _moves(segment, reached):
            return False
        try:
            if crosses and policy is not None and self.ports.rows.switch(segment.camera_id, policy):
                return True
            return self.ports.rows.advance(
                segment.camera_id,
                watermark_ms,
                silent=silent,
                still_ms=reached.still_ms,
                behind_ms=behind_ms,
                deadline_ms=segment.deadline_ms,
            )
        except Retryable as error:
            # One camera's lock may be stuck; what concerns them all comes again with the next.
            if self._put_off:
                raise
            self._put_off = True
            _log.warning(
                "recording_put_off", segment_id=str(segment.segment_id), error=error.message
            )
            return False
        except Exception as error:  # noqa: BLE001 - each recording by itself
            _log.error("recording_not_moved", segment_id=str(segment.segment_id), error=repr(error))
            return False


def _crosses(segment: LiveSegment, policy: RecordingPolicy) -> bool:
    """Whether an open recording is not made of what its camera delivers."""
    if policy.since_ms is None:
        return False
    began_otherwise = segment.policy.codec != policy.at(segment.start_ms).codec
    return began_otherwise or (
        segment.policy.codec != policy.codec
        and policy.border_ms is not None
        and segment.start_ms < policy.border_ms < segment.deadline_ms
    )


def _time_to_loss_s(live: list[LiveSegment], bounds: BoundsByCamera) -> float:
    """Returns how long the oldest frame that is still needed stays, at the least: the buffer holds
    it up to the hold cap, counted in the camera's own time.
    """
    return min(
        (
            each.policy.hold_cap_seconds - (bounds[each.camera_id].newest_ms - each.hold_ms) / 1000
            for each in live
            if each.needs_frames and each.camera_id in bounds
        ),
        default=inf,
    )


def _newest_ms(bounds: BoundsByCamera, camera_id: str) -> int:
    seen = bounds.get(camera_id)
    return 0 if seen is None else seen.newest_ms


def _moves(segment: LiveSegment, reached: Reached) -> bool:
    """Whether the buffer has passed something of a growing window: a part to plan, or its end."""
    late_ms = segment.late_ms + reached.behind_ms
    passed = parts_passed(
        covered_to_ms=segment.covered_to_ms,
        deadline_ms=segment.deadline_ms,
        part_ms=segment.policy.part_ms,
        watermark_ms=reached.watermark_ms,
        late_ms=late_ms,
    )
    return reached.ends(segment.deadline_ms, segment.late_ms) or next(passed, None) is not None
