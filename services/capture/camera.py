"""One camera: open, read, stamp, thin, check, hand to the outbox; open again after a pause."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from services.capture.camera_report import CameraReport
from services.capture.health import PictureHealth
from services.capture.outbox import Outbox
from services.capture.run import Run
from services.capture.sources.picture import (
    TIMEOUT_SECONDS,
    CodedPicture,
    Decided,
    Picture,
    Source,
    SourceLost,
    Unusable,
)
from shared.domain.camera import CameraState, DropCause, Recorded
from shared.domain.errors import BadInput, PlatereelError, Retryable
from shared.domain.media import Frame, PacketMark
from shared.domain.ports import Clock
from shared.domain.timing import Verdict
from shared.runtime.logs import logger
from shared.runtime.metrics import FRAMES_DROPPED, RECONNECTS, TIME_STEPS
from shared.wire.frames import check_jpeg, whole_jpeg

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
AT_ONCE_SECONDS = 0.1
ASK_SECONDS = 1.0
UNUSABLE_SECONDS = 30.0
STEPS_TOLD_SECONDS = 60.0
AVERAGED = 0.02  # a frame's share of the moving average of sizes: some seconds

_log = logger(__name__)


class Camera:
    """Reads one camera on a thread of its own, from the moment its lease is won until it is
    stopped.

    Every connection is a capture run: its counter starts at 0, and its clock is anchored to the
    wall once.
    """

    def __init__(
        self,
        camera_id: str,
        source: Source,
        fps: float,
        outbox: Outbox,
        clock: Clock,
        newest: Callable[[], int | None],
        timeout_s: float = TIMEOUT_SECONDS,
        recorded: Recorded | None = None,
        fps_beside: float = 5.0,
        decided: Callable[[Recorded], None] = lambda _: None,
    ) -> None:
        self.camera_id = camera_id
        self.report = CameraReport(recorded=recorded)
        self.health = PictureHealth()
        self._source = source
        self._fps, self._fps_beside = fps, fps_beside
        self._outbox = outbox
        self._clock = clock
        self._newest, self._tell_decided = newest, decided
        self._timeout_s = timeout_s
        self._stopping = threading.Event()
        self._last_ms: int | None = None
        self._read_at = self._opened_at = clock.monotonic()
        self._unusable = ""  # why the source could not be used; reported until a connection works
        self._run_now: Run | None = None
        self._clock_wrong = False
        self._asked_at = 0.0
        self._stepped_at = 0.0
        self._chance = random.Random(camera_id)  # noqa: S311 - spreads load or draws a picture, guards nothing
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"camera-{camera_id}")

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Stop reading. A source that blocks is abandoned after wait_s."""
        self._stopping.set()
        self._thread.join(wait_s)

    @property
    def copied(self) -> bool:
        """Whether the present connection passes on the camera's own packets."""
        return self._decided.copied

    def stalled(self) -> bool:
        """Returns True when an open source delivers nothing that can be used."""
        return (
            self.report.state == CameraState.CONNECTED
            and self._clock.monotonic() - self._read_at > self._timeout_s
        )

    def clock_ms(self) -> int | None:
        """Returns the time by the clock of the present run; None when the camera is not
        connected.
        """
        run = self._run_now
        return None if run is None else run.now_ms()

    def anchor_again(self) -> None:
        """Count from the wall clock anew, with the next picture: the run's clock is wrong."""
        self._clock_wrong = True

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began, frames = self._clock.monotonic(), self.report.frames
            try:
                self._read()
                self._lost("the source ended")
            except Unusable as error:
                self._lost(error.message, CameraState.MISCONFIGURED)
            except PlatereelError as error:
                self._lost(error.message)
            except Exception:  # noqa: BLE001 - the top of a loop
                _log.exception("camera_failed", camera_id=self.camera_id)
                self._lost("an unexpected error; see the log")
            if (
                self.report.state != CameraState.MISCONFIGURED and self.report.frames > frames
            ):  # it delivers: it is opened again at once, but for one that ends at once
                pause = FIRST_PAUSE_SECONDS
                lasted = self._clock.monotonic() - began
                self._stopping.wait(max(AT_ONCE_SECONDS, FIRST_PAUSE_SECONDS - lasted))
            else:
                self._stopping.wait(pause * self._chance.uniform(0.5, 1.0))
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            if not self._stopping.is_set():
                self.report.reconnects += 1
                RECONNECTS.labels(self.camera_id).inc()

    def _lost(self, reason: str, state: CameraState = CameraState.DISCONNECTED) -> None:
        if self._stopping.is_set():
            return
        self._run_now = None
        self._unusable = reason if state == CameraState.MISCONFIGURED else ""
        self.report.state, self.report.error = state, reason
        _log.warning("camera_lost", camera_id=self.camera_id, reason=reason)

    def _read(self) -> None:
        """One run, from opening to losing the source."""
        if not self._unusable:
            self.report.state = CameraState.CONNECTING
        self._last_ms = self._protected()
        run = self._run_now = Run(self._clock, self._last_ms, self._fps)
        self._read_at = self._opened_at = self._clock.monotonic()
        self._decided = Decided(copied=False)
        for picture in self._source.pictures():
            if self._stopping.is_set():
                return
            if isinstance(picture, Decided):
                self._decided = picture
                run.thin(self._fps_beside if picture.copied else self._fps)
                continue
            self._connected(run)
            self._look_at_clock(run)
            frame = self._frame(run, picture)
            if frame is not None:
                self._took(run, frame)
            elif self.stalled():
                raise SourceLost(f"no usable picture for {self._timeout_s:g} s")

    def _connected(self, run: Run) -> None:
        if self._unusable and self._clock.monotonic() - self._opened_at > UNUSABLE_SECONDS:
            self._unusable, self.report.state, self.report.error = "", CameraState.CONNECTED, ""
        if self.report.run != run.run_id:
            self.report.run = run.run_id
            if not self._unusable:
                self.report.state, self.report.error = CameraState.CONNECTED, ""
            _log.info("camera_connected", camera_id=self.camera_id, run=run.run_id)

    def _took(self, run: Run, frame: Frame) -> None:
        """Hand a frame to the outbox, and note it."""
        self._read_at = self._clock.monotonic()
        if not run.delivered:
            run.delivered = True
            self._note_decision(frame.captured_ms)
        report = self.report
        report.last_ms = self._last_ms = frame.captured_ms
        report.frames += 1
        if frame.packet is None:
            report.jpeg_bytes = _average(report.jpeg_bytes, len(frame.data))
        else:
            report.packet_bytes = _average(report.packet_bytes, len(frame.data))
        self._outbox.put(frame)

    def _note_decision(self, at_ms: int) -> None:
        """Note what this connection's clips are made of, with its first frame."""
        known, decided = self.report.recorded, self._decided
        if known is None:
            known = Recorded(copied=decided.copied, since_ms=at_ms)
        now = known.then(copied=decided.copied, at_ms=at_ms, why=decided.why)
        if now != self.report.recorded:
            self._tell_decided(now)  # before its first frame is stored: nobody may miss the border
            told = {"camera_id": self.camera_id, "copied": now.copied, "why": now.why}
            _log.info("camera_recorded_as", **told)
        self.report.recorded = now

    def _protected(self) -> int | None:
        """Returns the newest capture time of the buffer, or of frames that wait for it: no older
        time is stamped. Frames that this process once wrote and that left the buffer protect
        nothing. While the buffer does not answer, the earlier answer counts.
        """
        try:
            newest = self._newest()
        except Retryable:
            if self._last_ms is None:
                raise
            return self._last_ms
        waiting = self._outbox.newest_ms(self.camera_id)
        return max((ms for ms in (newest, waiting) if ms is not None), default=None)

    def _look_at_clock(self, run: Run) -> None:
        """Anchor a run anew whose clock is wrong.

        While the buffer is ahead, report it, and ask again once a second. The buffer is ahead when
        this host's clock was set back. Its newest frame is deleted when the stream expires.
        """
        behind_ms = run.behind_ms()
        if not self._clock_wrong and not behind_ms:
            if self.report.state == CameraState.CLOCK_BEHIND:
                self.report.state, self.report.error = CameraState.CONNECTED, ""
            return
        now = self._clock.monotonic()
        if now - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = now
        self._last_ms = self._protected()
        run.anchor(self._last_ms)
        self._clock_wrong, behind_ms = False, run.behind_ms()
        if behind_ms:
            self.report.error = (
                f"the clock of this host is {behind_ms / 1000:.0f} s behind the newest frame in the buffer (was it set "
                "back?): pictures are refused until it has caught up, or the buffer has expired"
            )
            if self.report.state != CameraState.CLOCK_BEHIND:
                _log.error(
                    "camera_clock_behind", camera_id=self.camera_id, seconds=round(behind_ms / 1000)
                )
            self.report.state = CameraState.CLOCK_BEHIND
            return
        _log.warning("camera_clock_anchored", camera_id=self.camera_id, run=run.run_id)

    def _frame(self, run: Run, picture: Picture | CodedPicture) -> Frame | None:
        """Returns the frame of a picture, or None when it is thinned out, unusable, or its time is
        not known yet.
        """
        steps = run.timeline.steps
        captured_ms = run.time_of(picture)
        if run.timeline.steps != steps:
            TIME_STEPS.labels(self.camera_id).inc()
            if steps == 0 or self._clock.monotonic() - self._stepped_at > STEPS_TOLD_SECONDS:
                _log.warning(
                    "camera_time_stepped", camera_id=self.camera_id, steps=run.timeline.steps
                )
                self._stepped_at = self._clock.monotonic()
        if captured_ms is None:
            FRAMES_DROPPED.labels(self.camera_id, DropCause.CLOCK_BEHIND).inc()
            return None
        if isinstance(picture, CodedPicture):
            return self._coded(run, picture, captured_ms)
        return self._thinned(run, picture, captured_ms)

    def _thinned(self, run: Run, picture: Picture, captured_ms: int) -> Frame | None:
        """Returns the frame of a picture if it is wanted and usable.

        A wanted one that is unusable leaves a hole in the counter.
        """
        verdict = run.rate.take(run.rate_ms)
        if verdict is not Verdict.KEPT:
            if verdict is Verdict.LOST:
                FRAMES_DROPPED.labels(self.camera_id, DropCause.BURST).inc()
                run.counter += 1
            return None
        try:
            jpeg = whole_jpeg(picture.jpeg())
            info = check_jpeg(jpeg)
        except BadInput as error:
            run.rate.give_back()
            self.health.note(error.message)
            self.report.bad_frames += 1
            FRAMES_DROPPED.labels(self.camera_id, DropCause.BAD_FRAME).inc()
            run.counter += 1
            return None
        self.health.note(None)
        self.report.width, self.report.height = info.width, info.height
        frame = Frame(
            camera_id=self.camera_id,
            captured_ms=captured_ms,
            data=jpeg,
            counter=run.counter,
            run_id=run.run_id,
        )
        run.counter += 1
        return frame

    def _coded(self, run: Run, picture: CodedPicture, captured_ms: int) -> Frame:
        if picture.keyframe:
            self.report.gop_ms = max(0, captured_ms - run.keyframe_ms) if run.keyframe_ms else 0
            run.keyframe_ms = captured_ms
        else:
            self.report.gop_ms = max(self.report.gop_ms, captured_ms - run.keyframe_ms)
        mark = PacketMark(
            picture.keyframe, captured_ms + picture.shown_after_ms, picture.parameters
        )
        run.packets += 1
        return Frame(
            camera_id=self.camera_id,
            captured_ms=captured_ms,
            data=picture.data,
            counter=run.packets - 1,
            run_id=run.run_id,
            packet=mark,
        )


def _average(before: float, size: int) -> float:
    """Returns a moving average of sizes with one more; 0 is none yet."""
    return before + (size - before) * AVERAGED if before else float(size)
