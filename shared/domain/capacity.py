"""How large a site must be: memory of the frames Redis, network, cores, storage.

The arithmetic is pure. Its figures come from the benchmarks; docs/performance.md says which row
each comes from and how to measure it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt

from shared.domain.codec import CODECS, Codec
from shared.domain.policy import RecordingPolicy

SECONDS_PER_DAY = 86_400.0
# Asked of a frames Redis: a quarter more than the buffers need, and that within 70 % of its
# maxmemory.
BUDGET_MARGIN, MAXMEMORY_SHARE = 1.25, 0.7
BUSY_SHARE = 0.7  # a writer that is busy more than this keeps parts waiting
LARGEST_CLIP_BYTES = 5 * 10**9  # what S3 takes in one PUT is a little more
USUAL_SIZE = (1920, 1080)  # of a camera that nobody has seen yet
STORED_TIMES = 3  # a clip's bytes go out as parts, come back to be joined, and go out as one


@dataclass(frozen=True, slots=True)
class Figures:
    """What things cost.

    Seconds are CPU seconds of one core; a megapixel is one million pixels of one frame.
    decode and jpeg: of an RTSP camera's H.264, and of the picture that is made of it.
    jpeg_bytes_per_pixel: of a street at quality 85. The costs of a codec default to its row in
    `CODECS`.
    """

    jpeg_bytes_per_pixel: float = 0.141
    redis_bytes_per_byte: float = 1.02
    capture_s_per_frame: float = 0.00015
    capture_s_per_megabyte: float = 0.003
    capture_s_per_packet: float = 0.00025
    decode_s_per_megapixel: float = 0.004
    jpeg_s_per_megapixel: float = 0.003
    redis_s_per_megabyte: float = 0.0013
    finalise_s_per_clip: float = 0.064
    clip_bytes_per_megapixel: Mapping[Codec, float] = field(
        default_factory=lambda: {
            codec: row.clip_bytes_per_megapixel
            for codec, row in CODECS.items()
            if row.clip_bytes_per_megapixel is not None
        }
    )
    writer_s_per_megapixel: Mapping[Codec, float] = field(
        default_factory=lambda: {codec: row.writer_s_per_megapixel for codec, row in CODECS.items()}
    )


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """One camera, or `count` alike.

    event_seconds: from an event's first detection to its last. scaled: pixels of the clip / pixels
    of the camera. jpeg_bytes: of one frame, where it was measured; otherwise the figures estimate
    it. rtsp: it sends H.264, which is decoded unless its codec is copy. detect_fps: JPEGs a second
    for the detector, beside the packets of a copied camera; 0 where none looks at it.
    """

    width: int
    height: int
    count: int = 1
    capture_fps: float = 15.0
    fps: float = 15.0
    buffer_seconds: float = 5.0
    post_event_seconds: float = 15.0
    slack_seconds: float = 10.0
    codec: Codec = Codec.H264
    scaled: float = 1.0
    events_per_day: float = 200.0
    event_seconds: float = 4.0
    retention_days: float | None = 30.0
    jpeg_bytes: float | None = None
    rtsp: bool = False
    detect_fps: float = 0.0

    @property
    def clip_seconds(self) -> float:
        """Footage of one event."""
        return self.buffer_seconds + self.event_seconds + self.post_event_seconds

    @property
    def busy(self) -> float:
        """Share of the time that is recorded; events that meet are one recording."""
        return min(1.0, self.events_per_day * self.clip_seconds / SECONDS_PER_DAY)

    @property
    def megapixels(self) -> float:
        """Of one frame."""
        return self.width * self.height / 1e6


@dataclass(frozen=True, slots=True)
class Plan:
    """What a site needs. Rates are per second, cores are CPU seconds per second.

    storage_bytes is None where clips are kept without end. redis_bytes is what the buffers take;
    redis_maxmemory_bytes what the server should be allowed.
    """

    cameras: int
    redis_bytes: float
    redis_maxmemory_bytes: float
    capture_bytes_per_second: float
    writer_bytes_per_second: float
    storage_bytes_per_second: float
    capture_cores: float
    redis_cores: float
    writer_cores: float
    writer_cores_peak: float
    writers: int
    clips_per_day: float
    storage_bytes_per_day: float
    storage_bytes: float | None


@dataclass(frozen=True, slots=True)
class _Need:
    """One camera's share of everything; bytes, seconds and rates as in Plan."""

    buffered: float
    captured: float
    read: float
    capture_cores: float
    writer_cores: float
    clips_per_day: float
    clip_bytes_per_day: float


def buffered_bytes(capture_fps: float, jpeg_bytes: float, keep_seconds: float) -> float:
    """Returns how many bytes of JPEG a camera's buffer holds."""
    return capture_fps * jpeg_bytes * keep_seconds


def maxmemory_for(buffered: float) -> float:
    """Returns the maxmemory (bytes) that a frames Redis needs for buffers of so many bytes."""
    return buffered * BUDGET_MARGIN / MAXMEMORY_SHARE


def clip_bytes(
    policy: RecordingPolicy,
    size: tuple[int, int],
    jpeg_bytes: float | None = None,
    figures: Figures | None = None,
) -> float:
    """Returns the size in bytes of a clip of max_segment_seconds, of a camera with pictures of
    `size` pixels. Exact where a bitrate is set, otherwise by the figures. jpeg_bytes: the size of
    one frame, where it was measured.
    """
    figures = figures or Figures()
    seconds = policy.max_segment_seconds
    if policy.bitrate is not None:
        return policy.bitrate / 8 * seconds
    width, height = policy.scaled(*size)
    jpeg = jpeg_bytes or size[0] * size[1] * figures.jpeg_bytes_per_pixel
    fps = min(policy.fps, policy.capture_fps)
    return seconds * fps * _frame_bytes(policy.codec, width * height / 1e6, jpeg, figures)


def too_large(
    policy: RecordingPolicy,
    size: tuple[int, int],
    jpeg_bytes: float | None = None,
    figures: Figures | None = None,
) -> str | None:
    """Returns why a camera's clips are too large for one object, with the setting to change; None
    where they are not.
    """
    expected = clip_bytes(policy, size, jpeg_bytes, figures)
    if expected <= LARGEST_CLIP_BYTES:
        return None
    rate = (
        f"bitrate {policy.bitrate}"
        if policy.bitrate is not None
        else f"{size[0]}x{size[1]} at {policy.fps:g} fps"
    )
    most = int(policy.max_segment_seconds * LARGEST_CLIP_BYTES / expected)
    return (
        f"max_segment_seconds {policy.max_segment_seconds:g} with codec {policy.codec}, {rate}, makes clips of "
        f"{expected / 1e9:.1f} GB, and a store takes {LARGEST_CLIP_BYTES / 1e9:g}: at most {most}"
    )


def _frame_bytes(codec: Codec, megapixels: float, jpeg_bytes: float, figures: Figures) -> float:
    """Returns how many bytes one frame takes in a clip."""
    if CODECS[codec].clip_bytes_per_megapixel is None:
        return jpeg_bytes
    return megapixels * figures.clip_bytes_per_megapixel[codec]


def plan(cameras: Iterable[CameraLoad], figures: Figures | None = None) -> Plan:
    """Returns what a site needs for these cameras together."""
    figures = figures or Figures()
    loads = list(cameras)
    needs = [(camera.count, _need(camera, figures)) for camera in loads]

    def total(name: str) -> float:
        return sum(count * float(getattr(need, name)) for count, need in needs)

    number = sum(camera.count for camera in loads)
    # Recordings start independently: their number is nearly Poisson, and twice its deviation covers
    # 97 of 100 moments.
    recorded = sum(camera.count * camera.busy for camera in loads)
    peak = min(float(number), recorded + 2 * sqrt(recorded)) / recorded if recorded else 0.0
    kept = [
        None
        if camera.retention_days is None
        else camera.count * need.clip_bytes_per_day * camera.retention_days
        for camera, (_, need) in zip(loads, needs, strict=True)
    ]
    writer_cores = total("writer_cores")
    return Plan(
        cameras=number,
        redis_bytes=total("buffered") * figures.redis_bytes_per_byte,
        redis_maxmemory_bytes=maxmemory_for(total("buffered")),
        capture_bytes_per_second=total("captured"),
        writer_bytes_per_second=total("read"),
        storage_bytes_per_second=total("clip_bytes_per_day") * STORED_TIMES / SECONDS_PER_DAY,
        capture_cores=total("capture_cores"),
        redis_cores=(total("captured") + total("read")) / 1e6 * figures.redis_s_per_megabyte,
        writer_cores=writer_cores,
        writer_cores_peak=writer_cores * peak,
        writers=max(1, ceil(writer_cores * peak / BUSY_SHARE)) if recorded else 0,
        clips_per_day=total("clips_per_day"),
        storage_bytes_per_day=total("clip_bytes_per_day"),
        storage_bytes=None if None in kept else sum(size for size in kept if size is not None),
    )


def _need(camera: CameraLoad, figures: Figures) -> _Need:
    jpeg = camera.jpeg_bytes or camera.megapixels * 1e6 * figures.jpeg_bytes_per_pixel
    copied = camera.codec == Codec.COPY
    frame = _frame_bytes(camera.codec, camera.megapixels, jpeg, figures) if copied else jpeg
    recorded = camera.capture_fps * frame
    captured = recorded + (camera.detect_fps * jpeg if copied else 0.0)
    fps = min(camera.fps, camera.capture_fps)
    megapixels = camera.busy * fps * camera.megapixels
    stored = (
        camera.busy
        * fps
        * _frame_bytes(camera.codec, camera.megapixels * camera.scaled, jpeg, figures)
    )
    clips = camera.busy * SECONDS_PER_DAY / camera.clip_seconds
    return _Need(
        buffered=captured * (camera.buffer_seconds + camera.slack_seconds),
        captured=captured,
        read=camera.busy * recorded,
        capture_cores=_capture_cores(camera, captured, figures),
        writer_cores=megapixels * figures.writer_s_per_megapixel[camera.codec]
        + clips / SECONDS_PER_DAY * figures.finalise_s_per_clip,
        clips_per_day=clips,
        clip_bytes_per_day=stored * SECONDS_PER_DAY,
    )


def _capture_cores(camera: CameraLoad, captured: float, figures: Figures) -> float:
    """Returns the cores that a camera of so many bytes a second takes in capture."""
    copied = camera.codec == Codec.COPY
    each = figures.capture_s_per_packet if copied else figures.capture_s_per_frame
    cores = camera.capture_fps * each + captured / 1e6 * figures.capture_s_per_megabyte
    jpegs = camera.detect_fps if copied else camera.capture_fps
    if camera.rtsp and jpegs:
        decoded = camera.capture_fps * figures.decode_s_per_megapixel
        cores += camera.megapixels * (decoded + jpegs * figures.jpeg_s_per_megapixel)
    return cores
