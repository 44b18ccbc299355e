"""What release 0.1.0 puts on every wire is read by this version, and what this version puts there
is read by 0.1.0: both run side by side while a deployment is upgraded.

The samples are written down as that release writes them. They change with no other version.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest

from shared.domain.camera import CameraState, Recorded
from shared.domain.events import EventName
from shared.domain.gaps import GapCause
from shared.domain.job import JobKind, JobStatus
from shared.domain.lifecycle import DetectionOutcome, PartState, SegmentStatus
from shared.domain.media import Box, Detection, Frame, PacketMark
from shared.domain.policy import RecordingPolicy
from shared.domain.timing import to_ms
from shared.wire import keys, tasks
from shared.wire.detections import encode_detection, parse_detection, payload_of
from shared.wire.frames import (
    decode_frame,
    decode_packet,
    encode_frame,
    encode_packet,
    entry_id,
)
from workers.consistency.findings import Findings
from workers.retention.state import State

ID = UUID("6c1d7a52-54a3-4c0e-9b7d-2f0c7f3a9e10")
MS = to_ms(datetime(2026, 11, 26, 10, 0, 0, 250_000, tzinfo=UTC))

DETECTION = {
    "detection_id": "d-1",
    "camera_id": "gate-1",
    "captured_at": "2026-11-26T10:00:00.250+00:00",
    "confidence": 0.93,
    "plate": "AB123CD",
    "bbox": [10, 20, 120, 40],
    "attributes": {"color": "red"},
}
POLICY = {
    "buffer_seconds": 5.0, "post_event_seconds": 15.0, "fps": 15.0, "capture_fps": 15.0, "min_confidence": 0.5,
    "max_segment_seconds": 300.0, "part_seconds": 5.0, "trigger_slack_seconds": 10.0, "hold_cap_seconds": 60.0,
    "codec": "h264", "encoder": "auto", "preset": "superfast", "quality": None, "bitrate": None, "scale": None,
    "color_range": "full",
}  # fmt: skip
TASKS: list[tuple[Any, str, str, dict[str, Any]]] = [
    (tasks.write_part(ID, 3), "platereel.write_part", "parts", {"part_id": str(ID), "offer": 3}),
    (tasks.finalise(ID, 1), "platereel.finalise", "finalise", {"segment_id": str(ID), "offer": 1}),
    (tasks.Cleanup(), "platereel.cleanup", "retention", {"job_id": None}),
    (tasks.Check(str(ID)), "platereel.check", "consistency", {"job_id": str(ID)}),
]
KEYS = {
    "frames": "platereel:frames:{gate-1}",
    "packets": "platereel:packets:{gate-1}",
    "holds": "platereel:holds:{gate-1}",
    "parked": "platereel:parked:{gate-1}",
    "lease": "platereel:lease:{gate-1}",
    "camera": "platereel:camera:{gate-1}",
}
WORDS: dict[type[StrEnum], str] = {
    SegmentStatus: "recording finalizing ready failed expiring expired",
    PartState: "due queued running done gap",
    DetectionOutcome: "pending recorded below_threshold buffer_expired rejected",
    GapCause: "dropped capture_interrupted camera_silent camera_started buffer_expired bad_frame writer_failed"
    " part_lost abandoned no_keyframe",
    CameraState: "unknown connecting connected impaired stalled disconnected misconfigured clock_behind clock_ahead",
    EventName: "segment.recording segment.finalizing segment.ready segment.failed segment.deleted retention.stopped"
    " camera.changed",
    JobKind: "cleanup check",
    JobStatus: "requested running done failed",
}
# Words that 0.1.0 does not know, and that docs/upgrading.md says what it makes of.
NEWER = {
    DetectionOutcome: {"ignored", "quiet"},
    EventName: {"plate.read", "plate.hit", "pass.closed", "camera.down", "camera.up"},
    JobKind: {"backup"},
}


def test_detections_are_the_same_by_every_door() -> None:
    detection = Detection(
        detection_id="d-1",
        camera_id="gate-1",
        captured_ms=MS,
        confidence=0.93,
        plate="AB123CD",
        bbox=Box(10, 20, 120, 40),
        attributes={"color": "red"},
    )
    assert json.loads(encode_detection(detection)) == DETECTION
    sent = json.dumps(DETECTION).encode()
    for payload in (sent, payload_of({b"json": sent})):
        assert parse_detection(payload, arrival_ms=MS, entry_id="1-0") == detection
    fields = {
        name.encode(): (value if isinstance(value, str) else json.dumps(value)).encode()
        for name, value in DETECTION.items()
    }
    assert parse_detection(payload_of(fields), arrival_ms=MS, entry_id="1-0") == detection


@pytest.mark.parametrize(("task", "name", "queue", "arguments"), TASKS)
def test_tasks_have_the_same_names_queues_and_arguments(
    task: Any, name: str, queue: str, arguments: dict[str, Any]
) -> None:
    assert (task.NAME, task.QUEUE, tasks.encode_task(task)) == (name, queue, arguments)
    assert type(task)(**arguments) == task
    assert tasks.ROUTES[name] == {"queue": queue}


def test_frames_have_the_same_fields() -> None:
    frame = Frame(camera_id="gate-1", captured_ms=MS, data=b"\xff\xd8", counter=7, run_id="r1")
    assert (entry_id(MS), encode_frame(frame)) == (f"{MS}-0", {"j": b"\xff\xd8", "s": 7, "r": "r1"})
    stored = {b"j": b"\xff\xd8", b"s": b"7", b"r": b"r1"}
    assert decode_frame("gate-1", f"{MS}-0".encode(), stored) == frame


def test_packets_have_the_same_fields() -> None:
    mark = PacketMark(keyframe=True, shown_ms=MS + 40, parameters="h264:00")
    packet = Frame(
        camera_id="gate-1", captured_ms=MS, data=b"\0\0\1", counter=8, run_id="r1", packet=mark
    )
    assert encode_packet(packet) == {
        "p": b"\0\0\1", "k": 1, "pts": MS + 40, "dts": MS, "x": "h264:00", "s": 8, "r": "r1",
    }  # fmt: skip
    stored = {
        b"p": b"\0\0\1", b"k": b"1", b"pts": str(MS + 40).encode(), b"dts": str(MS).encode(), b"x": b"h264:00",
        b"s": b"8", b"r": b"r1",
    }  # fmt: skip
    assert decode_packet("gate-1", f"{MS}-0".encode(), stored) == packet


def test_keys_and_names_of_objects_are_the_same() -> None:
    names = keys.Keys()
    assert {each: getattr(names, each)("gate-1") for each in KEYS} == KEYS
    assert (names.captures, names.events) == ("platereel:captures", "platereel:events")
    assert (names.detections, names.rejected) == ("detections", "detections:rejected")
    assert (keys.GROUP, keys.SENTINEL) == ("dispatch", ".platereel")
    second = MS // 1000
    assert keys.video_key(ID, MS) == f"videos/2026-11-26/{ID}_{second}.mp4"
    assert keys.thumbnail_key(ID, MS) == f"thumbnails/2026-11-26/{ID}_{second}.jpg"
    assert keys.part_key(ID, 4, "abc", "h264") == f"parts/{ID}/00004-abc.h264"


def test_a_policy_in_a_row_keeps_its_keys_and_their_types() -> None:
    """0.1.0 takes the keys that it knows and ignores others."""
    policy = RecordingPolicy.from_json(POLICY)
    assert policy == RecordingPolicy()
    written = json.loads(json.dumps(policy.to_json()))
    assert {name: written[name] for name in POLICY} == POLICY


def test_a_camera_that_0_1_0_reports_has_no_decision() -> None:
    """Its state lacks what a connection decided, so its clips are as they are configured."""
    state = {"state": "connected", "run": "r1", "fps": "15.0", "last_ms": str(MS), "error": ""}
    assert Recorded.of_state(state) is None


@pytest.mark.parametrize("words", WORDS, ids=lambda each: each.__name__)
def test_every_word_of_the_release_is_known(words: type[StrEnum]) -> None:
    there, before = {str(each) for each in words}, set(WORDS[words].split())
    assert before <= there
    assert there - before == NEWER.get(words, set())


def test_jobs_that_0_1_0_began_go_on() -> None:
    cleanup = {
        "totals": {
            "dry_run": False, "archived": 2, "bytes": 10, "reasons": {"days": 2},
            "cameras": {"gate-1": {"archived": 2, "bytes": 10}}, "examples": [str(ID)], "complete": False,
            "deleted": 1, "failed": 0, "parts_settled": 3, "reopened": 0, "history_purged": 4,
        },
        "allowed": 20, "would_archive": 2, "looked": True, "marked": False, "judged_bytes": {"gate-1": 10},
        "at": "camera gate-1", "clip": [str(ID), "gate-1", MS],
        "deleted_to": [str(ID), "2026-11-26T10:00:00+00:00"],
    }  # fmt: skip
    state = State.from_json(cleanup)
    assert state.as_json() == cleanup
    report = {
        "repair": True, "deep": False, "objects": 5, "clips": 2, "read_back": 0, "unread": 0,
        "findings": {"orphan": {"found": 1, "repaired": 0, "examples": ["parts/x"]}},
        "stopped": [], "open": 1, "clean": False,
    }  # fmt: skip
    assert Findings.from_json(report).as_json() == report
