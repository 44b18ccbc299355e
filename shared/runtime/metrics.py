"""Counters that operators alarm on (docs/metrics.md).

`metrics_folder` and `metrics_server` publish them. Several processes may report the same gauge; the
value that was set last counts, as long as its process lives.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from itertools import product
from math import nan
from platform import python_version

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
LAST_FRAME = Gauge(
    "platereel_camera_last_frame_timestamp_seconds",
    "Capture time of the camera's newest frame in the buffer.",
    ["camera_id"],
    multiprocess_mode="livemostrecent",
)
BUFFER_SECONDS = Gauge(
    "platereel_buffer_seconds",
    "How far back the camera's buffer reaches, of what its capture process stored.",
    ["camera_id"],
    multiprocess_mode="livemostrecent",
)
BUFFER_BYTES = Gauge(
    "platereel_buffer_bytes",
    "Size of the frames in the camera's buffer, of what its capture process stored.",
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
RECEIVED = Counter(
    "platereel_detections_received_total",
    "Detections that were stored, or put into the stream to be stored, by the door they came by.",
    ["door"],
)
DETECTION_AGE = Histogram(
    "platereel_detection_age_seconds",
    "Age of a detection when dispatch had stored what becomes of it.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 60, 120),
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
ENCODE_RATIO = Histogram(
    "platereel_encode_ratio",
    "Time that reading and encoding a part took, over the footage in it; above 1 writers fall behind.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 4, 8),
)
UPLOAD_SECONDS = Histogram(
    "platereel_upload_seconds",
    "Time to store an object of a part or of a clip.",
    ["object"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
CLIP_READY_SECONDS = Histogram(
    "platereel_clip_ready_seconds",
    "Time from the end of a clip's window until the clip is ready.",
    buckets=(0.5, 1, 2, 3, 5, 10, 20, 40, 60, 120, 300, 900),
)
GAP_FRAMES = Counter(
    "platereel_gap_frames_total", "Frames that ready clips lack, by why they lack them.", ["cause"]
)
RETENTION_CLIPS = Counter(
    "platereel_retention_clips_total", "Clips that retention gave up, by its reason.", ["reason"]
)
RETENTION_BYTES = Counter(
    "platereel_retention_bytes_total", "Bytes of clips that retention gave up.", ["reason"]
)
FINDINGS = Counter(
    "platereel_check_findings_total", "What checks found, by kind.", ["kind", "repaired"]
)
LEASES_LOST = Counter(
    "platereel_leases_lost_total",
    "Leases that were lost: `part`, `clip` and `camera` by the process that had it and noticed, `run` "
    "by the pacer, which takes back the runs of dead writers.",
    ["lease"],
)
WEBHOOKS = Counter(
    "platereel_webhook_attempts_total", "Attempts to deliver an event.", ["webhook", "result"]
)
SEGMENTS = Counter("platereel_segments_total", "Segments by how they ended.", ["result"])
LIVE_SEGMENTS = Gauge(
    "platereel_live_segments",
    "Segments that are recording or finalizing.",
    multiprocess_mode="livemostrecent",
)
PASSES = Counter("platereel_passes_total", "Passes that ended.")
HITS = Counter(
    "platereel_hits_total", "Detections whose plate is on a watch list, by list.", ["list"]
)
PACER_SECONDS = Histogram(
    "platereel_pacer_tick_seconds",
    "Time of one round of the pacer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
PACER_AT = Gauge(
    "platereel_pacer_timestamp_seconds",
    "When a pacer's round last went well.",
    multiprocess_mode="livemostrecent",
)
TIME_TO_LOSS = Gauge(
    "platereel_time_to_loss_seconds",
    "After how long the first frame that a recording still needs leaves the buffer, if writers do "
    "not come; +Inf while nothing is needed.",
    multiprocess_mode="livemostrecent",
)
API_SECONDS = Histogram(
    "platereel_api_request_seconds",
    "Time until the API began to answer.",
    ["method", "route", "status"],
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
BUILD = Gauge(
    "platereel_build_info",
    "1, with the version that runs.",
    ["version", "python", "process"],
    multiprocess_mode="livemostrecent",
)

# What dispatch finds by looking around (services/dispatch/survey.py). NaN: nobody knows now.
DEPENDENCY_UP = Gauge(
    "platereel_dependency_up",
    "1 while the server answers, else 0.",
    ["dependency"],
    multiprocess_mode="livemostrecent",
)
DEPENDENCY_SECONDS = Gauge(
    "platereel_dependency_latency_seconds",
    "How long the server's last answer took; NaN while it does not answer.",
    ["dependency"],
    multiprocess_mode="livemostrecent",
)
REDIS_MEMORY = Gauge(
    "platereel_redis_memory_ratio",
    "Used memory of a Redis over its maxmemory; 0 where it has no limit.",
    ["role", "node"],
    multiprocess_mode="livemostrecent",
)
QUEUE_LENGTH = Gauge(
    "platereel_queue_length",
    "How much waits for its turn; NaN where only the oldest is known.",
    ["queue"],
    multiprocess_mode="livemostrecent",
)
QUEUE_OLDEST = Gauge(
    "platereel_queue_oldest_seconds",
    "How long the oldest in a queue has waited; 0 for none.",
    ["queue"],
    multiprocess_mode="livemostrecent",
)
DELIVERIES = Gauge(
    "platereel_deliveries_waiting",
    "Events that a webhook, or the MQTT broker, has not taken yet.",
    ["webhook"],
    multiprocess_mode="livemostrecent",
)
DELIVERIES_OLDEST = Gauge(
    "platereel_deliveries_oldest_seconds",
    "How long the oldest of them has waited; 0 for none.",
    ["webhook"],
    multiprocess_mode="livemostrecent",
)
RECORDINGS = Gauge(
    "platereel_recordings",
    "Segments that are not ready yet, by status.",
    ["status"],
    multiprocess_mode="livemostrecent",
)
WAITING_PARTS = Gauge(
    "platereel_parts_waiting",
    "Parts of unfinished segments, by state; `parked`: encoded, and waiting for the store.",
    ["state"],
    multiprocess_mode="livemostrecent",
)
STUCK = Gauge(
    "platereel_recordings_stuck",
    "Recordings that ended long ago and are not ready.",
    multiprocess_mode="livemostrecent",
)
STORAGE_USED = Gauge(
    "platereel_storage_used_bytes",
    "Room that ready clips take.",
    multiprocess_mode="livemostrecent",
)
STORAGE_FREE = Gauge(
    "platereel_storage_free_bytes",
    "Room that is left for clips, by retention.bytes or the disk; NaN where no limit is known.",
    multiprocess_mode="livemostrecent",
)
STORAGE_DAYS = Gauge(
    "platereel_storage_days_left",
    "Days until that room is used up, at the growth of the last week; +Inf: never, not known, or "
    "retention makes room.",
    multiprocess_mode="livemostrecent",
)
JOB_PERIOD = Gauge(
    "platereel_job_period_seconds",
    "How often a job of a kind is wanted.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
JOB_AT = Gauge(
    "platereel_job_timestamp_seconds",
    "When the last job of a kind ended well; 0 for never.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
BACKED_UP = Gauge(
    "platereel_backup_last_success_timestamp_seconds",
    "When the newest backup was made (seconds since 1970), 0 before the first.",
    multiprocess_mode="livemostrecent",
)

# Alone in its process, a gauge without labels is told from the start, by processes that never set
# it, too: as 0, which would be the least of what all of them tell.
if shared_folder() is None:
    for _gauge in (
        LIVE_SEGMENTS, PACER_AT, TIME_TO_LOSS, STUCK, STORAGE_USED, STORAGE_FREE, STORAGE_DAYS, BACKED_UP
    ):  # fmt: skip
        _gauge.set(nan)


def from_zero(metric: Counter | Histogram, *labels: Iterable[str]) -> None:
    """Let every combination of these labels begin at zero: a query sees the first of an event only
    where it saw none before.
    """
    for each in product(*labels):
        metric.labels(*each)


def forget_camera(camera_id: str) -> None:
    """Remove the camera's gauges: another process has the camera now and reports it, or nobody
    has.
    """
    shared = shared_folder() is not None
    for gauge in (CAMERA_OK, LAST_FRAME, BUFFER_SECONDS, BUFFER_BYTES):
        if shared:  # such files cannot forget a series; what another process says is newer
            gauge.labels(camera_id).set(nan)
        else:
            gauge.remove(camera_id)


def tell_build(process: str) -> None:
    """Say which version this process runs."""
    BUILD.labels(version("platereel"), python_version(), process).set(1)
