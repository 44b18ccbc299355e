"""What a capture process reports of its cameras, each round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.outbox import Outbox
from shared.domain.camera import CameraState
from shared.domain.ports import Buffered, CameraStates, Clock
from shared.domain.timing import run_is_wrong
from shared.runtime.metrics import (
    BUFFER_BYTES,
    BUFFER_SECONDS,
    CAMERA_OK,
    LAST_FRAME,
    forget_camera,
)

STALE_SECONDS = 60.0


@dataclass(slots=True)
class Reporter:
    """Writes the states of cameras.

    All in one message; one whose server, of several, does not answer is reported later. buffered:
    what this process has stored of a camera.
    """

    states: CameraStates
    clock: Clock
    ownership: Ownership
    outbox: Outbox
    # how far back the buffers of copied cameras reach
    keep_ms: Mapping[str, int] = field(default_factory=dict)
    buffered: Callable[[str], Buffered | None] = lambda _: None
    sent: dict[str, int] = field(default_factory=dict)
    _last_round: float = 0.0
    _told: set[str] = field(default_factory=set)

    def report(self, cameras: dict[str, Camera], refused: dict[str, str]) -> None:
        """Report cameras that are read, and those whose source cannot be opened at all."""
        now = self.clock.monotonic()
        elapsed, self._last_round = now - self._last_round, now
        for camera_id in self._told - cameras.keys() - refused.keys():
            forget_camera(camera_id)
        self._told = {*cameras, *refused}
        common: dict[str, str | int | float] = {
            "owner": self.ownership.owner,
            "updated_ms": self.clock.now_ms(),
        }
        states: dict[str, dict[str, str | int | float]] = {}
        for camera_id, reason in refused.items():
            CAMERA_OK.labels(camera_id).set(0)
            wrong: dict[str, str | int | float] = {
                "state": CameraState.MISCONFIGURED,
                "error": reason,
                "outbox": 0,
            }
            states[camera_id] = {**wrong, **common}
        for camera_id, camera in cameras.items():
            sent = self.sent.pop(camera_id, 0)
            fps = round(sent / elapsed, 1) if 0 < elapsed < STALE_SECONDS else 0
            states[camera_id] = {**self._camera(camera_id, camera, fps), **common}
        if states:
            self.states.report_all(states)

    def _camera(self, camera_id: str, camera: Camera, fps: float) -> dict[str, str | int | float]:
        """Returns the fields of a camera's state."""
        report = camera.report
        state, error = (CameraState.STALLED if camera.stalled() else report.state), report.error
        if state in {CameraState.CONNECTED, CameraState.STALLED} and camera.health.told:
            state, error = (
                (CameraState.IMPAIRED if state == CameraState.CONNECTED else state),
                camera.health.told,
            )
        keep_ms = self.keep_ms.get(camera_id)
        if state == CameraState.CONNECTED and keep_ms is not None and report.gop_ms > keep_ms:
            state = CameraState.IMPAIRED
            error = f"no keyframe for {report.gop_ms / 1000:.1f} s, longer than the buffer: recordings cannot begin"
        ahead_s = self._look_at_clock(camera)
        if ahead_s:
            state = CameraState.CLOCK_AHEAD
            error = f"the clock of this host is {ahead_s} s ahead of the frames Redis: pictures are refused"
        CAMERA_OK.labels(camera_id).set(state == CameraState.CONNECTED)
        self._measure(camera_id)
        return {
            "state": state,
            "run": report.run,
            "width": report.width,
            "height": report.height,
            "fps": fps,
            "frames": report.frames,
            "jpeg_bytes": round(report.jpeg_bytes),
            "packet_bytes": round(report.packet_bytes),
            "gop_ms": report.gop_ms,
            "dropped": self.outbox.dropped(camera_id),
            "bad_frames": report.bad_frames,
            "reconnects": report.reconnects,
            "error": error,
            "outbox": self.outbox.waiting(camera_id),
            # What an earlier process captured counts on: it is asked whether the camera has
            # ever delivered.
            **({"last_ms": report.last_ms} if report.last_ms else {}),
            **({} if report.recorded is None else report.recorded.to_state()),
        }

    def _measure(self, camera_id: str) -> None:
        stored = self.buffered(camera_id)
        if stored is not None:
            LAST_FRAME.labels(camera_id).set(stored.newest_ms / 1000)
            BUFFER_SECONDS.labels(camera_id).set(stored.seconds)
            BUFFER_BYTES.labels(camera_id).set(stored.bytes)

    def _look_at_clock(self, camera: Camera) -> int:
        """Let a run whose clock is wrong begin anew.

        Returns by how many seconds one is too far ahead for the buffer, else 0.
        """
        run_ms, server_ms = camera.clock_ms(), self.ownership.server_now_ms()
        if run_ms is None or server_ms is None:
            return 0
        if run_is_wrong(run_ms, self.clock.now_ms(), server_ms):
            camera.anchor_again()
        return round((run_ms - server_ms) / 1000) if self.ownership.too_far_ahead(run_ms) else 0
