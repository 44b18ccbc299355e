"""Answers for clips that are not available."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from services.api.errors import problem
from shared.domain.lifecycle import ARCHIVED, SegmentStatus
from shared.domain.segment import Clip, Segment

RETRY_SECONDS = "2"


def clip_of(segment: Segment) -> Clip | Response:
    """Returns the segment's clip, or the answer that says why there is none."""
    return segment.clip or unavailable(segment.id, segment.status)


def unavailable(segment_id: UUID, status: SegmentStatus) -> Response:
    """Returns the answer for a segment without a clip: deleted (410), failed or not finished yet
    (409).
    """
    if status in ARCHIVED:
        return problem(410, f"segment {segment_id} was deleted")
    if status is SegmentStatus.FAILED:
        return problem(409, f"segment {segment_id} has no clip: its error says why")
    return problem(409, f"segment {segment_id} is still {status}", {"Retry-After": RETRY_SECONDS})
