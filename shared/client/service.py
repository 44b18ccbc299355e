"""The distributed recorder behind the original design's service.

A detection service calls and awaits it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from shared.client.recorder import milliseconds
from shared.client.wiring import Doorway, connect, default_settings, jpeg_of
from shared.domain.camera import CameraState
from shared.domain.errors import BadInput, Conflict, Retryable
from shared.domain.job import JobKind, JobStatus
from shared.domain.media import Frame
from shared.domain.ownership import CAMERA_LEASE_SECONDS, CameraLease, ServerTime
from shared.domain.ports import DetectionRows, SegmentRows
from shared.domain.retention import MAX_DAYS
from shared.domain.timing import STEP_IS_GAP_MS, from_ms
from shared.runtime.logs import logger
from shared.runtime.settings import Settings
from shared.wire.detections import parse_detection

PAUSE_SECONDS = 1.0
ASK_TIME_SECONDS = 3.0  # a server that hangs costs its wait each time
JOB_SECONDS, JOB_POLL_SECONDS = 60.0, 0.1

Answer = TypeVar("Answer")
_log = logger(__name__)


class VideoRecordingService:
    """Frames into a camera's buffer, detections into recordings; the writers make the clips.

    The coroutines run synchronous calls on one thread of their own, in order. The camera must be in
    the configuration with `source: "push:"`; while frames are added this process holds its lease.
    Close the service when done.
    """

    def __init__(
        self,
        detection_repository: DetectionRows,
        video_repository: SegmentRows,
        *,
        camera_id: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or default_settings()
        self.camera_id = _camera(self._settings, camera_id)
        self._detections = detection_repository
        self._videos = video_repository
        self._limits = self._settings.limits(self.camera_id)
        self._policy = self._settings.policy(self.camera_id)
        self._quality = self._settings.jpeg_quality(self.camera_id)
        self._world: Doorway = connect(self._settings)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="platereel")
        self._run_id = uuid4().hex[:12]
        self._counter = 0
        self._last_ms: int | None = None
        self._waiting: deque[Frame] = deque()
        self._lease: CameraLease | None = None
        self._lease_asked = False
        self._server: ServerTime | None = None
        self._paused_until = 0.0
        self._ask_time_at = 0.0
        self._ask_at = 0.0
        self.frames_dropped = 0

    async def add_frame(self, frame: NDArray[np.uint8] | bytes, timestamp: float) -> None:
        """Add a frame to the camera's buffer.

        frame: BGR uint8 (height, width, 3), or JPEG bytes. timestamp: capture time in seconds since
        1970; a frame that is not newer than the last is dropped and counted in `frames_dropped`.
        While Redis is away frames wait here, up to buffer_seconds. Raises BadInput, and Conflict
        when another process captures the camera.
        """
        await self._call(lambda: self._add_frame(frame, timestamp))

    async def trigger_recording(self, detection_id: str, **facts: Any) -> None:
        """Publish a detection: starts a recording or extends the open one. Durable when it returns.

        facts: confidence (1.0: you have applied your threshold), captured_at (the last frame's
        time), plate, bbox [x, y, width, height], attributes. The same detection_id again changes
        nothing. Raises BadInput or Conflict.
        """
        await self._call(lambda: self._trigger(detection_id, facts))

    async def stop_recording(self) -> UUID | None:
        """End the camera's open recording now and keep its footage.

        Returns its segment's id, None when there is none.
        """
        return await self._call(self._stop)

    async def cleanup_old_videos(self, retention_days: float = 30, *, confirm: bool = False) -> int:
        """Archive clips older than retention_days. Returns how many.

        A worker does it, and deletes their files afterwards. Raises Conflict where that would
        archive far more than usual; confirm: archive them all the same.
        """
        return await self._call(lambda: self._cleanup(retention_days, confirm=confirm))

    async def close(self) -> None:
        """Write what waits, give the camera back, close connections."""
        await self._call(self._close)
        self._thread.shutdown()

    async def _call(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _add_frame(self, frame: NDArray[np.uint8] | bytes, timestamp: float) -> None:
        captured_ms = milliseconds(timestamp)
        if self._too_far_ahead(captured_ms):
            raise BadInput(
                "timestamp", "more than a minute ahead of the frames Redis; check the clocks"
            )
        jpeg = jpeg_of(frame, self._quality)
        if (
            self._last_ms is not None
            and captured_ms <= self._last_ms
            and not self._set_back(captured_ms)
        ):
            self.frames_dropped += 1
            return
        self._last_ms = captured_ms
        self._waiting.append(
            Frame(
                camera_id=self.camera_id,
                captured_ms=captured_ms,
                data=jpeg,
                counter=self._counter,
                run_id=self._run_id,
            )
        )
        self._counter += 1
        while captured_ms - self._waiting[0].captured_ms > max(1000, self._policy.buffer_ms):
            self._waiting.popleft()
            self.frames_dropped += 1
        if self._world.clock.monotonic() >= self._paused_until:
            self._write()

    def _too_far_ahead(self, captured_ms: int) -> bool:
        """Returns whether a time is refused: by the frames server's clock, or by this host's until
        the server has answered.
        """
        now = self._world.clock.monotonic()
        if self._server is None and now >= max(self._paused_until, self._ask_time_at):
            self._read_server_time()
        server = self._server or ServerTime(server_ms=self._world.clock.now_ms(), asked_at_s=now)
        return server.too_far_ahead(captured_ms, self._world.clock.monotonic())

    def _read_server_time(self) -> None:
        """Ask the frames server for its time. Where it does not answer, the earlier answer counts.

        Frames that were taken before its first answer are judged now.
        """
        asked_at_s = self._world.clock.monotonic()
        try:
            server_ms = self._world.frames.server_ms(self.camera_id)
        except Retryable as error:
            _log.warning("server_time_not_read", camera_id=self.camera_id, error=error.message)
            self._ask_time_at = self._world.clock.monotonic() + ASK_TIME_SECONDS
            return
        unjudged = self._waiting if self._server is None else ()
        self._server = server = ServerTime(server_ms=server_ms, asked_at_s=asked_at_s)
        ahead = [each for each in unjudged if server.too_far_ahead(each.captured_ms, asked_at_s)]
        for frame in ahead:
            self._waiting.remove(frame)
            self.frames_dropped += 1
            self._last_ms = self._waiting[-1].captured_ms if self._waiting else None

    def _set_back(self, captured_ms: int) -> bool:
        """Returns whether a time that is not newer than the last counts nevertheless.

        Asks once a second. It counts when the caller's clock was set back and the buffer has
        dropped all that is newer.
        """
        now = self._world.clock.monotonic()
        behind_ms = (self._last_ms or 0) - captured_ms
        if behind_ms <= STEP_IS_GAP_MS or now < self._ask_at:
            return False
        self._ask_at = now + PAUSE_SECONDS
        if self._waiting:
            self._write()
        if self._waiting:
            return False
        try:
            bounds = self._world.frames.bounds([self.camera_id]).get(self.camera_id)
            held = bounds is not None and bounds.newest_ms >= captured_ms
            error = f"timestamps went back by {behind_ms / 1000:.0f} s: refused while the buffer holds newer frames"
            self._tell(
                CameraState.CLOCK_BEHIND if held else CameraState.CONNECTED, error if held else ""
            )
        except Retryable:
            return False
        _log.warning(
            "timestamps_went_back", camera_id=self.camera_id, seconds=behind_ms / 1000, refused=held
        )
        if not held:
            self._run_id, self._counter = uuid4().hex[:12], 0
        return not held

    def _write(self) -> None:
        """Write what waits.

        While Redis is away, pause a moment, so that the caller's frames do not each wait for it.
        """
        try:
            self._hold_lease()
            answers = self._world.frames.append(list(self._waiting), {self.camera_id: self._limits})
        except Retryable as error:
            self._paused_until = self._world.clock.monotonic() + PAUSE_SECONDS
            _log.warning(
                "frames_wait",
                camera_id=self.camera_id,
                error=error.message,
                waiting=len(self._waiting),
            )
            return
        self.frames_dropped += sum(not answer.stored and not answer.waits for answer in answers)
        self._waiting = deque(answer.frame for answer in answers if answer.waits)
        if self._waiting:
            self._paused_until = self._world.clock.monotonic() + PAUSE_SECONDS

    def _hold_lease(self) -> None:
        """Renew the lease when it is due. Raises Conflict where another process has it, Retryable
        where it ran out.
        """
        before = self._world.clock.monotonic()
        if self._lease is None or self._lease.is_due(before):
            self._lease_asked = True
            won = self._world.leases.acquire(
                self.camera_id, self._world.owner, CAMERA_LEASE_SECONDS
            )
            self._lease = CameraLease(asked_at_s=before) if won else None
            if not won:
                raise Conflict(f"camera {self.camera_id} is captured by another process")
            self._read_server_time()
            try:
                self._tell(CameraState.CONNECTED, "")
            except Retryable as error:  # frames need the lease alone
                _log.warning("state_not_reported", camera_id=self.camera_id, error=error.message)
        if self._lease is not None and not self._lease.holds(self._world.clock.monotonic()):
            raise Retryable("the camera's lease ran out before it could be used")

    def _tell(self, state: CameraState, error: str) -> None:
        self._world.states.report(
            self.camera_id,
            {
                "state": state,
                "error": error,
                "owner": self._world.owner,
                "run": self._run_id,
                "frames": self._counter,
                "dropped": self.frames_dropped,
                "outbox": len(self._waiting),
                "updated_ms": self._world.clock.now_ms(),
                "last_ms": self._last_ms or 0,
            },
        )

    def _trigger(self, detection_id: str, facts: dict[str, Any]) -> None:
        now_ms = self._world.clock.now_ms()
        body: dict[str, Any] = {
            "camera_id": self.camera_id,
            "confidence": 1.0,
            **facts,
            "detection_id": detection_id,
        }
        if body.get("captured_at") is None:
            body["captured_at"] = from_ms(now_ms if self._last_ms is None else self._last_ms)
        elif isinstance(body["captured_at"], datetime) and body["captured_at"].tzinfo is None:
            raise BadInput("captured_at", "a time without a zone is ambiguous; give it a tzinfo")
        detection = parse_detection(body, arrival_ms=now_ms, entry_id=detection_id)
        if detection.camera_id not in self._settings.cameras:
            raise BadInput("camera_id", f"no camera {detection.camera_id} in the configuration")
        self._detections.publish(detection)
        try:
            self._world.stream.hint(detection.camera_id, detection.detection_id)
        except Retryable as error:
            _log.warning("hint_not_sent", detection_id=detection_id, error=error.message)

    def _stop(self) -> UUID | None:
        now_ms = self._world.clock.now_ms() if self._last_ms is None else self._last_ms + 1
        return self._videos.stop_recording(self.camera_id, now_ms)

    def _cleanup(self, retention_days: float, *, confirm: bool) -> int:
        if isinstance(retention_days, bool) or not 0 <= retention_days <= MAX_DAYS:
            raise BadInput("retention_days", f"a number of days from 0 to {MAX_DAYS}")
        params = {"retention_days": retention_days, "confirm": confirm}
        job_id = self._world.jobs.request(JobKind.CLEANUP, params, self._world.owner)
        until = self._world.clock.monotonic() + JOB_SECONDS
        while self._world.clock.monotonic() < until:
            job = self._world.jobs.get(job_id)
            if job.state is JobStatus.FAILED:
                raise Retryable(f"the cleanup failed: {job.error}", job_id=str(job_id))
            if job.state is JobStatus.DONE:
                result = job.result or {}
                if "stopped" in result:
                    raise Conflict(
                        f"the cleanup was stopped: {result['stopped']}", job_id=str(job_id)
                    )
                return int(result["archived"])
            self._world.clock.sleep(JOB_POLL_SECONDS)
        raise Retryable(
            f"no worker finished the cleanup within {JOB_SECONDS:g} s", job_id=str(job_id)
        )

    def _close(self) -> None:
        if self._waiting:
            self._write()
        if self._lease_asked:  # it may be held although the answer never came
            try:
                self._world.states.report(
                    self.camera_id, {"state": CameraState.DISCONNECTED, "outbox": 0}
                )
                self._world.leases.release(self.camera_id, self._world.owner)
            except Retryable as error:
                _log.warning("camera_not_released", camera_id=self.camera_id, error=error.message)
        self._world.close()


def _camera(settings: Settings, camera_id: str | None) -> str:
    pushed = [name for name in settings.cameras if settings.source(name).startswith("push:")]
    if camera_id is None:
        if len(pushed) != 1:
            raise BadInput(
                "camera_id",
                f"name one: the configuration has {len(pushed)} cameras with source push:",
            )
        return pushed[0]
    if camera_id not in settings.cameras:
        raise BadInput("camera_id", f"no camera {camera_id} in the configuration")
    if camera_id not in pushed:
        raise BadInput("camera_id", f"camera {camera_id} is captured by its own source, not push:")
    return camera_id
