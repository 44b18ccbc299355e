"""Counters that operators alarm on (docs/metrics.md).

`metrics_folder` and `metrics_server` publish them. Several processes may report the same gauge; the
value that was set last counts, as long as its process lives.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from shared.runtime.metrics_folder import shared_folder

FRAMES = Counter("platereel_frames_total", "Frames stored in the buffer.", ["camera_id"])
FRAMES_DROPPED = Counter(
    "platereel_frames_dropped_total", "Frames lost before the buffer.", ["camera_id", "cause"]
)
BUFFER_SHED = Counter(
    "platereel_buffer_shed_total",
    "Frames of the pre-roll given up at the frames Redis' memory limit.",
    ["camera_id"],
)
RECONNECTS = Counter(
    "platereel_camera_reconnects_total", "Times a camera's source was opened again.", ["camera_id"]
)
CAMERA_OK = Gauge(
    "platereel_camera_ok",
    "1 while the camera delivers pictures that can be used, else 0.",
    ["camera_id"],
    multiprocess_mode="livemostrecent",
)
TIME_STEPS = Counter(
    "platereel_camera_time_steps_total",
    "Times a camera's own time stepped, and was anchored anew.",
    ["camera_id"],
)
DETECTIONS = Counter(
    "platereel_detections_total", "Detections by what became of them.", ["outcome"]
)
LATENESS = Histogram(
    "platereel_detection_late_seconds",
    "How much newer the camera's newest frame was than a detection's own, when it was recorded.",
    ["camera_id"],
    buckets=(0.5, 1, 2, 5, 10, 20, 40, 60, 120),
)
REJECTED = Counter(
    "platereel_detections_rejected_total", "Messages that did not validate.", ["field"]
)
OWN_PICTURES = Counter(
    "platereel_own_pictures_total",
    "Pictures that detectors sent, by what became of them.",
    ["result"],
)
PARTS = Counter("platereel_parts_total", "Runs of parts by how they ended.", ["result"])
PART_SECONDS = Histogram("platereel_part_seconds", "Time from a part's run to its commit.")
WEBHOOKS = Counter(
    "platereel_webhook_attempts_total", "Attempts to deliver an event.", ["webhook", "result"]
)
SEGMENTS = Counter("platereel_segments_total", "Segments by how they ended.", ["result"])
LIVE_SEGMENTS = Gauge(
    "platereel_live_segments",
    "Segments that are recording or finalizing.",
    multiprocess_mode="livemostrecent",
)


def forget_camera(camera_id: str) -> None:
    """Remove the camera's gauges: another process has the camera now, and reports it."""
    # files that processes share cannot forget a series; the other's is newer
    if shared_folder() is None:
        CAMERA_OK.remove(camera_id)
