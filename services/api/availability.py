"""What is answered for a segment that cannot be had."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from services.api.errors import problem
from shared.domain.lifecycle import ARCHIVED, SegmentStatus

RETRY_SECONDS = "2"


def unavailable(segment_id: UUID, status: SegmentStatus, *, unfinished: bool = False) -> Response | None:
    """A problem, or None where it can be had; unfinished: what there is of it while it is recorded is enough."""
    if status in ARCHIVED:
        return problem(410, f"segment {segment_id} was deleted")
    if status is SegmentStatus.FAILED:
        return problem(409, f"segment {segment_id} has no clip: its error says why")
    if status is not SegmentStatus.READY and not unfinished:
        return problem(409, f"segment {segment_id} is still {status}", {"Retry-After": RETRY_SECONDS})
    return None
