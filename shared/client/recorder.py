"""One process, no servers: the original VideoRecorder on the same window machine and encoder."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from shared.client.wiring import jpeg_of, system_clock, video
from shared.domain.errors import BadInput, Conflict
from shared.domain.parts import ClipForm, Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Clock, PartEncoding, Video
from shared.domain.recording import (
    Closed,
    Detected,
    Effect,
    Extended,
    Opened,
    Reached,
    Stopped,
    step,
)
from shared.domain.timing import STEP_IS_GAP_MS
from shared.domain.windows import CameraWindows

JPEG_QUALITY = 92
LATEST_SECONDS = 1e11
Image = NDArray[np.uint8]


@dataclass(slots=True)
class _Clip:
    """One recording. A new one is made for each, so that it inherits nothing."""

    path: Path
    start_ms: int
    end_ms: int
    form: ClipForm | None = None
    first_ms: int | None = None
    complete: bool = False
    part_start_ms: int = 0
    encoder: PartEncoding | None = None
    pieces: list[Piece] = field(default_factory=list)


class VideoRecorder:
    """Buffers the last seconds of one camera and records around triggers, in this process.

    Frames are kept as JPEG, so the buffer of a 720p camera takes megabytes. Times come from the
    given timestamps, so a clip lasts as long as the scene did, whatever the real frame rate. Not
    for several threads at once.
    """

    def __init__(
        self,
        buffer_seconds: float = 5,
        post_event_seconds: float = 15,
        fps: float = 15,
        max_segment_minutes: float = 5,
    ) -> None:
        for name, value in (("post_event_seconds", post_event_seconds), ("fps", fps)):
            if not 0 < value < math.inf:
                raise BadInput(name, "a number over 0")
        if not 0 <= buffer_seconds < max_segment_minutes * 60 - post_event_seconds:
            raise BadInput(
                "buffer_seconds", "at least 0, and with the post-roll below max_segment_minutes"
            )
        self.frames_dropped = 0
        self._policy = RecordingPolicy(
            buffer_seconds=buffer_seconds,
            post_event_seconds=post_event_seconds,
            fps=fps,
            capture_fps=fps,
            max_segment_seconds=max_segment_minutes * 60,
        )
        self._buffer: deque[tuple[int, bytes]] = deque()
        self._windows = CameraWindows()
        self._clip: _Clip | None = None
        self._pending: Path | None = None
        self._newest_ms: int | None = None
        self._refused_from_ms: int | None = None
        self._video: Video = video()
        self._clock: Clock = system_clock()

    @property
    def recording(self) -> bool:
        """Whether a recording has been started and not yet stopped."""
        return self._clip is not None or self._pending is not None

    def add_frame(self, frame: Image, timestamp: float) -> bool:
        """Add a frame. Returns True when the recording is complete and should be stopped.

        frame: BGR, uint8, shape (height, width, 3). timestamp: seconds since 1970; a frame that is
        not newer than the last is dropped and counted in `frames_dropped`. After two seconds of
        such frames the caller's clock counts as set back: the recorder begins anew, and an open
        recording is complete.
        """
        captured_ms = milliseconds(timestamp)
        jpeg = jpeg_of(frame, JPEG_QUALITY)
        if (
            self._newest_ms is not None
            and captured_ms <= self._newest_ms
            and not self._set_back(captured_ms)
        ):
            self.frames_dropped += 1
            return self._complete()
        self._refused_from_ms = None
        self._newest_ms = captured_ms
        self._buffer.append((captured_ms, jpeg))
        while self._buffer and self._buffer[0][0] < captured_ms - self._policy.buffer_ms:
            self._buffer.popleft()
        if self._pending is not None:
            path, self._pending = self._pending, None
            self._begin(path)
        elif self._clip is not None and not self._clip.complete:
            self._step(Reached(captured_ms))
            if not self._clip.complete:
                self._write(self._clip, captured_ms, jpeg)
        return self._complete()

    def _set_back(self, captured_ms: int) -> bool:
        """Returns whether the caller's clock was set back: frames have been too old for two seconds
        of their own time. What is buffered then lies in the future: it is dropped, and an open
        recording is complete.
        """
        newest_ms = self._newest_ms or 0
        if newest_ms - captured_ms <= STEP_IS_GAP_MS:
            return False
        if self._refused_from_ms is None or captured_ms < self._refused_from_ms:
            self._refused_from_ms = captured_ms
        if captured_ms - self._refused_from_ms < STEP_IS_GAP_MS:
            return False
        if self._clip is not None and not self._clip.complete:
            self._clip.complete, self._clip.end_ms = True, newest_ms + 1
        self._buffer.clear()
        self._windows = CameraWindows()
        return True

    def start_recording(self, video_path: str | Path) -> tuple[float, int]:
        """Start with the buffer's frames.

        Returns the timestamp (s) of the first frame, and how many frames came from the buffer.
        While recording, this restarts the post-roll and returns (start timestamp, 0). With an empty
        buffer the recording begins with the next frame. The path's folder is made.
        """
        if self._clip is not None and not self._clip.complete:
            self._step(self._detected())
            return (
                self._clip.start_ms if self._clip.first_ms is None else self._clip.first_ms
            ) / 1000, 0
        if self._clip is not None:
            raise Conflict("the recording is complete: stop_recording before the next one")
        path = Path(video_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._newest_ms is None:
            self._pending = path
            return self._clock.now_ms() / 1000, 0
        clip, written = self._begin(path)
        return (self._newest_ms if clip.first_ms is None else clip.first_ms) / 1000, written

    def stop_recording(self) -> tuple[str | None, int, float]:
        """Finish the MP4.

        Returns path, frames written and duration in seconds; (None, 0, 0.0) when nothing was
        recorded.
        """
        clip, self._clip, self._pending = self._clip, None, None
        if clip is None:
            return None, 0, 0.0
        if not clip.complete and self._newest_ms is not None:
            self._windows, _ = step(self._windows, Stopped(self._newest_ms + 1), uuid4)
        self._end_part(clip)
        if not any(piece.index for piece in clip.pieces) or clip.form is None:
            return None, 0, 0.0
        joined = self._video.join(
            path=clip.path,
            pieces=clip.pieces,
            span_ms=(clip.start_ms, clip.end_ms),
            policy=self._policy,
            form=clip.form,
        )
        return str(clip.path), joined.frame_count, joined.duration_ms / 1000

    def _detected(self) -> Detected:
        policy = self._policy
        newest_ms = self._newest_ms or 0
        return Detected(newest_ms, policy.buffer_ms, policy.post_event_ms, policy.max_segment_ms)

    def _begin(self, path: Path) -> tuple[_Clip, int]:
        """Open a window at the newest frame. Footage that the last clip has is not repeated."""
        last = self._windows.windows[-1:]
        self._windows = CameraWindows(last)
        effects = self._step(self._detected())
        opened = next((effect for effect in effects if isinstance(effect, Opened)), None)
        if opened is None:
            raise Conflict("the footage around this moment is in the last clip already")
        clip = _Clip(
            path, opened.window.start_ms, opened.window.end_ms, part_start_ms=opened.window.start_ms
        )
        self._clip = clip
        wanted = [
            (captured_ms, jpeg)
            for captured_ms, jpeg in self._buffer
            if captured_ms >= clip.start_ms
        ]
        for captured_ms, jpeg in wanted:
            self._write(clip, captured_ms, jpeg)
        return clip, len(wanted)

    def _step(self, given: Detected | Reached) -> tuple[Effect, ...]:
        """Advance the windows. A roll-over completes this clip, and the caller starts the next."""
        windows, effects = step(self._windows, given, uuid4)
        clip = self._clip
        for effect in effects if clip is not None else ():
            match effect:
                case Extended(_, end_ms) if clip is not None and not clip.complete:
                    clip.end_ms = end_ms
                case Closed(_, end_ms) if clip is not None:
                    clip.end_ms = end_ms
        if clip is not None and any(isinstance(effect, Opened) for effect in effects):
            windows = CameraWindows(tuple(w for w in windows.windows if w.start_ms < clip.end_ms))
        self._windows = windows
        if clip is not None and self._newest_ms is not None and self._newest_ms >= clip.end_ms:
            clip.complete = True
        return effects

    def _complete(self) -> bool:
        return self._clip is not None and self._clip.complete

    def _write(self, clip: _Clip, captured_ms: int, jpeg: bytes) -> None:
        if clip.form is None:
            clip.form = self._video.form(jpeg, self._policy)
            clip.first_ms = captured_ms
        if captured_ms >= clip.part_start_ms + self._policy.part_ms:
            self._end_part(clip)
            clip.part_start_ms = captured_ms
        if clip.encoder is None:
            clip.encoder = self._video.encoder(self._policy, clip.form, clip.part_start_ms)
        clip.encoder.add(jpeg, captured_ms)

    def _end_part(self, clip: _Clip) -> None:
        if clip.encoder is not None:
            part = clip.encoder.finish()
            clip.pieces.append(Piece(clip.part_start_ms, part.data, part.index))
            clip.encoder = None


def milliseconds(timestamp: float) -> int:
    """Returns the capture time of a timestamp in seconds; raises BadInput for anything that is not
    one.
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float | np.number):
        raise BadInput("timestamp", "seconds since 1970, a number")
    if not 0 <= float(timestamp) < LATEST_SECONDS:
        raise BadInput("timestamp", "seconds since 1970; this is no such time")
    return round(float(timestamp) * 1000)
