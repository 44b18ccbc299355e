"""Which encoders work on this host, and how they are opened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import av.error
import structlog
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from shared.adapters.video.codecs import MAKING, Making, is_full_range, options_of, samples_of
from shared.adapters.video.devices import has_device, trial_apart
from shared.adapters.video.jpeg import MILLISECOND
from shared.adapters.video.pixels import Pixels, tag_colours
from shared.adapters.video.priority import kept_priority
from shared.domain.errors import Permanent
from shared.domain.policy import RecordingPolicy

# In a process whose encoders of MPEG-4 Part 2 had one thread and two in turn, some pictures were
# coded against others than the decoder has, until the next keyframe.
_ONE_THREAD = {"mpeg4"}
_ON_TRIAL = "its trial has not ended yet"
_PROBE_SIZE, _PROBE_FRAMES = (640, 368), 3

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def one_thread() -> int:
    """Returns the default: a writer process is one core's work."""
    return 1


class Encoders:
    """The encoders of this process. Make it after the fork: a hardware session does not survive
    one.

    threads: how many threads a software encoder may use, asked at every part. patient: wait for the
    trial of a hardware encoder; otherwise it goes on beside the work, and what is encoded meanwhile
    is encoded in software.
    """

    def __init__(self, threads: Callable[[], int] = one_thread, *, patient: bool = True) -> None:
        self._threads, self._patient = threads, patient
        self._refusals: dict[str, str | None] = {}
        self._one_trial = threading.Lock()

    def choose(self, policy: RecordingPolicy, before: str | None = None) -> str:
        """Returns the encoder for a policy: `before`, which the clip began with, if it works here;
        else the first that works. The software encoder is the last resort and is not tried before.
        """
        making = MAKING[policy.codec]
        if before is not None:
            # one trial: a part can wait for it, and the clip stays of one kind
            self.refusal(before, policy, wait=True)
        candidates = ([] if before is None else [before]) + making.encoders(policy.encoder)
        return next(
            name
            for name in candidates
            if name == making.software or self.refusal(name, policy) is None
        )

    def refusal(self, name: str, policy: RecordingPolicy, *, wait: bool = False) -> str | None:
        """Returns why an encoder cannot be used here; None when it can. Tried once a process.

        wait: wait for this trial.
        """
        if name not in self._refusals:
            self._refusals[name] = _ON_TRIAL
            if wait or self._patient or not self._likely(name, MAKING[policy.codec]):
                self._judge(name, policy)
            else:
                threading.Thread(
                    target=self._judge_in_turn, args=(name, policy), daemon=True, name="trial"
                ).start()
        return self._refusals[name]

    def _likely(self, name: str, making: Making) -> bool:
        """Returns whether an encoder is one of this codec's hardware encoders and its device is
        here.
        """
        return name in making.hardware.values() and has_device(name.rpartition("_")[2])

    def _judge_in_turn(self, name: str, policy: RecordingPolicy) -> None:
        with self._one_trial:
            self._judge(name, policy)

    def _judge(self, name: str, policy: RecordingPolicy) -> None:
        reason = self._probe(name, policy)
        self._refusals[name] = reason
        if reason is None:
            _log.info("encoder_works", encoder=name)
            return
        wanted = policy.encoder not in {"auto", "software"}
        (_log.warning if wanted else _log.info)(
            "encoder_refused", encoder=name, reason=reason, wanted=policy.encoder
        )

    def condemn(self, name: str, reason: str) -> None:
        """An encoder that opened and then failed is not used again by this process."""
        _log.error("encoder_condemned", encoder=name, reason=reason)
        self._refusals[name] = reason

    def _probe(self, name: str, policy: RecordingPolicy) -> str | None:
        """Returns why an encoder cannot be used here: looks for its device, then encodes a few
        pictures.
        """
        if name == MAKING[policy.codec].software:
            return self.trial(name, policy)
        if policy.encoder == "auto" and not has_device(name.rpartition("_")[2]):
            return "this host has no device for it"
        return trial_apart(name, policy)

    def trial(self, name: str, policy: RecordingPolicy) -> str | None:
        """Encode a few pictures in this process. Returns why that fails, None where it works."""
        width, height = _PROBE_SIZE
        pixels = pixels_of(name, policy, width, height)
        try:
            context = self.open(name, policy, width, height)
            packets = []
            for number in range(_PROBE_FRAMES):
                frame = VideoFrame(width, height, pixels.pix_fmt)
                for plane in frame.planes:
                    plane.update(bytes([128]) * plane.buffer_size)
                frame.pts, frame.time_base = number * 40, MILLISECOND
                packets += encode(context, frame)
            packets += encode(context, None)
        except (av.error.FFmpegError, av.codec.codec.UnknownCodecError, Permanent) as error:
            return (
                str(getattr(error, "strerror", None) or error).split(":")[0] or type(error).__name__
            )
        return None if packets else "it opens and delivers nothing"

    def open(
        self,
        name: str,
        policy: RecordingPolicy,
        width: int,
        height: int,
        aspect: tuple[int, int] = (1, 1),
    ) -> VideoCodecContext:
        """Returns a context that opens with its first picture.

        aspect: a pixel's width to its height.
        """
        context = av.CodecContext.create(name, "w")
        if not isinstance(context, VideoCodecContext):
            raise Permanent(f"{name} is not a video encoder")
        pixels = pixels_of(name, policy, width, height)
        context.width, context.height, context.pix_fmt = width, height, pixels.pix_fmt
        context.time_base = MILLISECOND
        if aspect != (1, 1):
            context.sample_aspect_ratio = Fraction(*aspect)
        context.framerate = Fraction(policy.fps).limit_denominator(1001)
        context.thread_count = 1 if name in _ONE_THREAD else self._threads()
        tag_colours(context, full=pixels.full)
        if policy.bitrate:
            context.bit_rate = policy.bitrate
        context.options = options_of(name, policy)
        return context


def encode(context: VideoCodecContext, frame: VideoFrame | None) -> list[Packet[Any]]:
    """Encode one frame, None to flush. Returns the packets that are ready; raises FFmpegError."""
    if context.is_open:
        return context.encode(frame)
    with kept_priority():  # the first frame opens the encoder, and starts its threads
        return context.encode(frame)


def pixels_of(encoder: str, policy: RecordingPolicy, width: int, height: int) -> Pixels:
    """Returns what an encoder is given: the JPEG's own samples, unless policy or codec ask for
    limited range.
    """
    full = is_full_range(policy)
    pix_fmt = samples_of(encoder)
    return Pixels(width, height, "yuv420p" if pix_fmt == "yuvj420p" and not full else pix_fmt, full)
