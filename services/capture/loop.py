"""The capture process: leases, cameras, and the one thread that writes to Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.outbox import Outbox, is_full
from services.capture.reporting import Reporter
from services.capture.sources.factory import camera_source
from services.capture.sources.packets import Copying
from services.capture.sources.picture import TIMEOUT_SECONDS, Source
from shared.domain.camera import DropCause, Recorded
from shared.domain.errors import BadInput, PlatereelError, Retryable
from shared.domain.media import Frame
from shared.domain.ports import Appended, BufferLimits, CameraStates, Clock, FrameBuffer
from shared.runtime.logs import logger
from shared.runtime.metrics import (
    BUFFER_SHED,
    FRAMES,
    FRAMES_DROPPED,
    LEASES_LOST,
    RECONNECTS,
    TIME_STEPS,
    from_zero,
)

ROUND_SECONDS, AGAIN_SECONDS = 1.0, 0.2
TAKE_SECONDS = 0.25
BACKOFF_SECONDS = 0.5
# So that frames of several cameras share a round trip: waking up and asking cost more than sending.
LINGER_SECONDS = 0.025
FLUSH_SECONDS = 3.0
FLUSH_ON_HANDOVER_SECONDS = 1.0
# A thread that the interpreter ends inside of OpenCV aborts the process (std::terminate). A thread
# that waits for a camera ends with the process, and is not waited for any longer.
END_SECONDS, STOP_SECONDS = 1.0, 0.5

_log = logger(__name__)
from_zero(LEASES_LOST, ["camera"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPlan:
    """How one camera is captured. fps: of its JPEGs; fps_beside: of those beside its packets.

    outbox_ms: how much waits here while Redis is away. copying: whether its own packets are
    recorded. watched: a detector looks at it. timeout_s: after how long without a picture it is
    opened again.
    """

    source: str
    fps: float
    jpeg_quality: int
    limits: BufferLimits
    outbox_ms: int
    copying: Copying = Copying.NEVER
    fps_beside: float = 5.0
    watched: bool = True
    timeout_s: float = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePorts:
    """What capture needs of the world; `alive` is called after every good round. changed: returns
    the plans of all cameras where any has changed since the last call, else None.
    """

    frames: FrameBuffer
    states: CameraStates
    clock: Clock
    alive: Callable[[], None]
    changed: Callable[[], dict[str, CameraPlan] | None] = lambda: None


class Capture:
    """One capture process."""

    def __init__(
        self, plans: dict[str, CameraPlan], ports: CapturePorts, ownership: Ownership
    ) -> None:
        self._plans = plans
        self._ports = ports
        self._ownership = ownership
        self._outbox = Outbox()
        self._cameras: dict[str, Camera] = {}
        # owned cameras whose source cannot be opened at all, and why
        self._refused: dict[str, str] = {}
        self._limits = {camera_id: plan.limits for camera_id, plan in plans.items()}
        self._paused: dict[str, float] = {}
        self._looked_at: set[str] = set()  # by somebody who wants pictures
        self._reporter = Reporter(
            states=ports.states,
            clock=ports.clock,
            ownership=ownership,
            outbox=self._outbox,
            keep_ms=_copied_keep_ms(plans),
            buffered=ports.frames.buffered,
        )

    def run(self, stopping: threading.Event) -> None:
        """Run until `stopping`, then write what waits and give the cameras back."""
        done = threading.Event()
        sender = threading.Thread(target=self._send, args=(done,), name="sender", daemon=True)
        sender.start()
        while not stopping.is_set():
            try:
                self._follow()
                self._round()
                self._ports.alive()
            except PlatereelError as error:
                _log.warning("capture_waits", error=error.message)
                stopping.wait(AGAIN_SECONDS)
            else:
                stopping.wait(ROUND_SECONDS)
        _stop_all(self._cameras.values(), self._ports.clock, 0.0)
        self._flush(FLUSH_SECONDS)
        done.set()
        sender.join(FLUSH_SECONDS)
        try:
            self._ownership.leave()
        except Retryable as error:
            _log.warning("leases_not_released", error=error.message)
        _stop_all(self._cameras.values(), self._ports.clock, END_SECONDS)

    def _follow(self) -> None:
        """Take what has changed of the cameras. One whose plan is the same notices nothing."""
        plans = self._ports.changed()
        if plans is None or plans == self._plans:
            return
        before, self._plans = self._plans, plans
        # frames of one that is gone may be on their way
        self._limits = self._limits | {each: plan.limits for each, plan in plans.items()}
        self._ownership.cameras = list(plans)
        self._reporter.keep_ms = _copied_keep_ms(plans)
        owned = self._ownership.owned()
        changed = [each for each in owned if plans.get(each) != before.get(each)]
        if changed:  # the round that follows starts those that stay by their new plans
            self._end(changed)
        for camera_id in set(changed) - plans.keys():
            try:
                self._ownership.give_up(camera_id)
            except Retryable as error:
                _log.warning("lease_not_released", camera_id=camera_id, error=error.message)

    def _round(self) -> None:
        try:
            surplus = self._ownership.round()
        finally:
            self._match()  # a round that failed half-way has won and lost cameras too
        if surplus is not None:
            self._hand_over(surplus)
        self._looked_at = self._ports.states.looked_at(list(self._cameras))
        self._reporter.report(self._cameras, self._refused)

    def _match(self) -> None:
        """Give every owned camera a thread, and stop the threads of all others."""
        owned = self._ownership.owned()
        for camera_id in [each for each in (*self._cameras, *self._refused) if each not in owned]:
            _log.warning("camera_taken_over", camera_id=camera_id)
            LEASES_LOST.labels("camera").inc()
            self._stop(camera_id)
        for camera_id in owned:
            if camera_id not in self._cameras and camera_id not in self._refused:
                self._start(camera_id)

    def _start(self, camera_id: str) -> None:
        plan = self._plans[camera_id]
        for counter in (FRAMES, BUFFER_SHED, RECONNECTS, TIME_STEPS):
            from_zero(counter, [camera_id])
        from_zero(FRAMES_DROPPED, [camera_id], DropCause)
        self._outbox.open(camera_id, plan.outbox_ms, plan.limits.max_bytes)
        try:
            source = self._source(camera_id, plan)
        except BadInput as error:
            _log.error("camera_source_wrong", camera_id=camera_id, error=error.message)
            self._refused[camera_id] = error.message
            return
        camera = Camera(
            camera_id=camera_id,
            source=source,
            fps=plan.fps,
            fps_beside=plan.fps_beside,
            outbox=self._outbox,
            clock=self._ports.clock,
            newest=lambda: self._newest_ms(camera_id),
            timeout_s=plan.timeout_s,
            recorded=self._recorded(camera_id),
            decided=partial(self._decided, camera_id),
        )
        self._cameras[camera_id] = camera
        camera.start()

    def _source(self, camera_id: str, plan: CameraPlan) -> Source:
        return camera_source(
            plan.source,
            self._ports.clock,
            plan.jpeg_quality,
            plan.timeout_s,
            copying=plan.copying,
            watched=plan.watched,
            buffered_s=plan.limits.keep_ms / 1000,
            looked_at=lambda: camera_id in self._looked_at,
        )

    def _decided(self, camera_id: str, recorded: Recorded) -> None:
        plan = self._plans.get(camera_id)  # None: it was removed as it connected
        if plan is not None and plan.copying is Copying.WHERE_IT_CAN:
            self._ports.states.report(camera_id, recorded.to_state())

    def _recorded(self, camera_id: str) -> Recorded | None:
        """Returns what an earlier process said of a camera's clips; None where that is unknown."""
        try:
            return Recorded.of_state(self._ports.states.state(camera_id))
        except Retryable:
            return None

    def _newest_ms(self, camera_id: str) -> int | None:
        bounds = self._ports.frames.bounds([camera_id]).get(camera_id)
        return None if bounds is None else bounds.newest_ms

    def _stop(self, camera_id: str) -> None:
        self._refused.pop(camera_id, None)
        camera = self._cameras.pop(camera_id, None)
        if camera is not None:
            camera.stop(STOP_SECONDS)
        self._outbox.discard(camera_id)

    def _hand_over(self, camera_id: str) -> None:
        """Give a camera to another process: stop reading, write what waits, then release."""
        self._end([camera_id])
        self._ownership.give_up(camera_id)
        _log.info("camera_handed_over", camera_id=camera_id)

    def _end(self, camera_ids: Sequence[str]) -> None:
        """Stop reading cameras, and write what waits: all in the time of one, because meanwhile the
        leases of the others are not renewed.
        """
        ended = [self._cameras.pop(each) for each in camera_ids if each in self._cameras]
        _stop_all(ended, self._ports.clock, STOP_SECONDS)
        self._flush(FLUSH_ON_HANDOVER_SECONDS)
        for camera_id in camera_ids:
            self._stop(camera_id)

    def _flush(self, seconds: float) -> None:
        until = self._ports.clock.monotonic() + seconds
        while not self._outbox.empty() and self._ports.clock.monotonic() < until:
            self._ports.clock.sleep(0.02)

    def _send(self, done: threading.Event) -> None:
        """Write frames to Redis.

        While it is away they wait in the outbox, which drops the oldest and counts them.
        """
        while not done.is_set():
            batch = self._outbox.take(TAKE_SECONDS, self._may_write)
            batch = [frame for frame in batch if self._plausible(frame)]
            if not batch:
                continue
            try:
                answers = self._ports.frames.append(batch, self._limits)
            except Retryable as error:
                _log.warning("frames_wait", error=error.message, waiting=len(batch))
                self._outbox.put_back(batch)
                done.wait(BACKOFF_SECONDS)
            except Exception:  # noqa: BLE001 - the top of a loop
                _log.exception("frames_not_written", count=len(batch))
                for frame in batch:
                    FRAMES_DROPPED.labels(frame.camera_id, DropCause.NOT_WRITTEN).inc()
            else:
                self._account(answers)
                if not is_full(batch):  # else more waits already
                    self._ports.clock.sleep(LINGER_SECONDS)

    def _may_write(self, camera_id: str) -> bool:
        """Returns whether the camera is ours and its server has answered a moment ago."""
        paused = self._ports.clock.monotonic() < self._paused.get(camera_id, 0.0)
        return not paused and self._ownership.holds(camera_id)

    def _account(self, answers: list[Appended]) -> None:
        waiting = [answer.frame for answer in answers if answer.waits]
        if waiting:
            cameras = {frame.camera_id for frame in waiting}
            _log.warning(
                "frames_wait", error="one server of several does not answer", cameras=len(cameras)
            )
            self._outbox.put_back(waiting)
            self._paused |= dict.fromkeys(cameras, self._ports.clock.monotonic() + BACKOFF_SECONDS)
        for answer in answers:
            camera_id = answer.frame.camera_id
            if answer.shed:
                BUFFER_SHED.labels(camera_id).inc(answer.shed)
            if answer.stored:
                FRAMES.labels(camera_id).inc()
                camera = self._cameras.get(camera_id)
                copied = camera is not None and camera.copied
                recorded = (answer.frame.packet is not None) == copied
                self._reporter.sent[camera_id] = self._reporter.sent.get(camera_id, 0) + recorded
            elif not answer.waits:
                FRAMES_DROPPED.labels(camera_id, DropCause.NOT_NEWEST).inc()

    def _plausible(self, frame: Frame) -> bool:
        """Refuse an id from the far future: one would stop the stream's trimming for good."""
        if not self._ownership.too_far_ahead(frame.captured_ms):
            return True
        FRAMES_DROPPED.labels(frame.camera_id, DropCause.CLOCK_AHEAD).inc()
        return False


def _stop_all(cameras: Collection[Camera], clock: Clock, seconds: float) -> None:
    """Stop cameras, and wait so long for all of them together."""
    for camera in cameras:
        camera.stop(0.0)
    until = clock.monotonic() + seconds
    for camera in cameras:
        camera.stop(max(0.0, until - clock.monotonic()))


def _copied_keep_ms(plans: Mapping[str, CameraPlan]) -> dict[str, int]:
    """Returns how far back the buffers of copied cameras reach."""
    return {
        camera_id: plan.limits.keep_ms
        for camera_id, plan in plans.items()
        if plan.copying is Copying.ALWAYS
    }
