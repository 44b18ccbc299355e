"""Segments for tests that need no row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.domain.lifecycle import SegmentStatus
from shared.domain.segment import DetailedSegment

BEGAN = datetime(2026, 11, 26, 10, tzinfo=UTC)


def a_segment() -> DetailedSegment:
    """A ready segment of six seconds, without detections."""
    return DetailedSegment(
        id=UUID(int=7),
        camera_id="gate-1",
        status=SegmentStatus.READY,
        file_path="videos/a.mp4",
        thumbnail_path=None,
        strip_path=None,
        start_time=BEGAN,
        end_time=BEGAN + timedelta(seconds=6),
        deadline=BEGAN + timedelta(seconds=6),
        trigger_time=BEGAN + timedelta(seconds=2),
        first_frame_at=BEGAN,
        continues=None,
        duration_seconds=6.0,
        file_size_bytes=1000,
        resolution="320x180",
        archived=False,
        protected=False,
        note=None,
        codec="h264",
        fps=10.0,
        policy={},
        gaps=(),
        frame_count=60,
        frames_lost=0,
        pre_roll_requested_seconds=2.0,
        pre_roll_delivered_seconds=2.0,
        sha256="0" * 64,
        truncated_reason=None,
        error=None,
        created_at=BEGAN,
        updated_at=BEGAN,
        detection_ids=None,
        plates=[],
        best_confidence=None,
        protected_by=None,
        protected_at=None,
        archived_by=None,
        archived_reason=None,
        archived_at=None,
        detections=[],
    )
