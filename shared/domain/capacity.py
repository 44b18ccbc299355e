"""How large a site has to be: memory of the frames Redis, network, cores, storage. Pure arithmetic on measured figures.

The figures are of the benchmarks (docs/performance.md says which row each comes from and how to take them again).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt

SECONDS_PER_DAY = 86_400.0
BUDGET_MARGIN, MAXMEMORY_SHARE = 1.25, 0.7
BUSY_SHARE = 0.7  # a writer that is busy more than this keeps parts waiting
PARTS_IN_FLIGHT = 2.0  # frames stay held while their part waits to be due, and while it is written


@dataclass(frozen=True, slots=True)
class Figures:
    """What things cost. Seconds are CPU seconds of one core; a megapixel is one million pixels of one frame.

    jpeg_bytes_per_pixel: of a street at quality 85. clip_bytes and writer_s are per megapixel and codec, at the default
    quality.
    """

    jpeg_bytes_per_pixel: float = 0.141
    redis_bytes_per_byte: float = 1.02
    capture_s_per_frame: float = 0.00012
    capture_s_per_megabyte: float = 0.0010
    redis_s_per_megabyte: float = 0.0007
    finalise_s_per_clip: float = 0.06
    clip_bytes_per_megapixel: Mapping[str, float] = field(
        default_factory=lambda: {"h264": 7600.0, "hevc": 3000.0, "av1": 5300.0, "mp4v": 11_000.0}
    )
    writer_s_per_megapixel: Mapping[str, float] = field(
        default_factory=lambda: {"h264": 0.0086, "hevc": 0.032, "av1": 0.012, "mp4v": 0.0056, "mjpeg": 0.0003}
    )


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """One camera, or `count` alike.

    event_seconds: from an event's first detection to its last. scaled: pixels of the clip / pixels of the camera.
    jpeg_bytes: of one frame, where it was measured; otherwise the figures estimate it.
    """

    width: int
    height: int
    count: int = 1
    capture_fps: float = 15.0
    fps: float = 15.0
    buffer_seconds: float = 5.0
    post_event_seconds: float = 15.0
    slack_seconds: float = 10.0
    part_seconds: float = 5.0
    codec: str = "h264"
    scaled: float = 1.0
    events_per_day: float = 200.0
    event_seconds: float = 4.0
    retention_days: float | None = 30.0
    jpeg_bytes: float | None = None

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
    """What a site needs. Bytes are bytes, rates are per second, cores are CPU seconds per second."""

    cameras: int
    buffered_bytes: float
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


def plan(cameras: Iterable[CameraLoad], figures: Figures | None = None) -> Plan:
    """Sum up a site; retention None means clips are kept for ever, so that no total can be told."""
    figures = figures or Figures()
    needs = [(camera, _need(camera, figures)) for camera in cameras]
    total = {key: sum(camera.count * need[key] for camera, need in needs) for key in _KEYS}
    # Recordings start independently: their number is nearly Poisson, and twice its deviation covers 97 of 100 moments.
    recorded = sum(camera.count * camera.busy for camera, _ in needs)
    cameras_all = sum(camera.count for camera, _ in needs)
    peak = min(float(cameras_all), recorded + 2 * sqrt(recorded)) / recorded if recorded else 0.0
    endless = any(camera.retention_days is None for camera, _ in needs)
    in_buffer = total["in_buffer"] * figures.redis_bytes_per_byte
    return Plan(
        cameras=cameras_all,
        buffered_bytes=total["in_buffer"],
        redis_bytes=in_buffer,
        redis_maxmemory_bytes=total["budget"] * BUDGET_MARGIN / MAXMEMORY_SHARE,
        capture_bytes_per_second=total["captured"],
        writer_bytes_per_second=total["read"],
        storage_bytes_per_second=total["clip_per_day"] * _STORED_TIMES / SECONDS_PER_DAY,
        capture_cores=total["capture"],
        redis_cores=(total["captured"] + total["read"]) / 1e6 * figures.redis_s_per_megabyte,
        writer_cores=total["writer"],
        writer_cores_peak=total["writer"] * peak,
        writers=max(1, ceil(total["writer"] * peak / BUSY_SHARE)) if recorded else 0,
        clips_per_day=total["clips"],
        storage_bytes_per_day=total["clip_per_day"],
        storage_bytes=None if endless else total["kept"],
    )


_KEYS = ("in_buffer", "budget", "captured", "read", "capture", "writer", "clips", "clip_per_day", "kept")
_STORED_TIMES = 3  # a clip's bytes go out as parts, come back to be joined, and go out as one


def _need(camera: CameraLoad, figures: Figures) -> dict[str, float]:
    """One camera's share."""
    jpeg = camera.jpeg_bytes or camera.megapixels * 1e6 * figures.jpeg_bytes_per_pixel
    captured = camera.capture_fps * jpeg
    normally = camera.buffer_seconds + camera.slack_seconds
    clip_fps = min(camera.fps, camera.capture_fps)
    recorded_megapixels = camera.busy * clip_fps * camera.megapixels
    if camera.codec == "mjpeg":
        clip_per_day = camera.busy * clip_fps * jpeg * SECONDS_PER_DAY
    else:
        rate = figures.clip_bytes_per_megapixel[camera.codec]
        clip_per_day = recorded_megapixels * camera.scaled * rate * SECONDS_PER_DAY
    clips = camera.busy * SECONDS_PER_DAY / camera.clip_seconds
    writing = recorded_megapixels * figures.writer_s_per_megapixel[camera.codec]
    return {
        "in_buffer": captured * normally,
        "budget": captured * normally,
        "captured": captured,
        "read": camera.busy * captured,
        "capture": camera.capture_fps * figures.capture_s_per_frame + captured / 1e6 * figures.capture_s_per_megabyte,
        "writer": writing + clips / SECONDS_PER_DAY * figures.finalise_s_per_clip,
        "clips": clips,
        "clip_per_day": clip_per_day,
        "kept": clip_per_day * (camera.retention_days or 0.0),
    }
