"""States of a segment and of a part, and the only ways from one to the next.

The database enforces both tables by triggers; a test holds the two in step.
"""

from __future__ import annotations

from enum import StrEnum


class SegmentStatus(StrEnum):
    """Where a segment is in its life."""

    RECORDING = "recording"  # the window can still grow
    FINALIZING = "finalizing"  # the window is closed, parts may be outstanding
    READY = "ready"  # the MP4 is stored, verified and playable
    FAILED = "failed"  # no MP4; `error` says why
    EXPIRING = "expiring"  # marked by retention or a person, its object is going
    EXPIRED = "expired"  # its object is gone, the row remembers


TRANSITIONS: dict[SegmentStatus, frozenset[SegmentStatus]] = {
    SegmentStatus.RECORDING: frozenset({SegmentStatus.FINALIZING}),
    SegmentStatus.FINALIZING: frozenset({SegmentStatus.READY, SegmentStatus.FAILED}),
    # Back to finalizing when the store has lost the object and the parts are still there, else to
    # failed.
    SegmentStatus.READY: frozenset(
        {SegmentStatus.EXPIRING, SegmentStatus.FINALIZING, SegmentStatus.FAILED}
    ),
    SegmentStatus.FAILED: frozenset({SegmentStatus.FINALIZING, SegmentStatus.EXPIRING}),
    SegmentStatus.EXPIRING: frozenset({SegmentStatus.EXPIRED}),
    SegmentStatus.EXPIRED: frozenset(),
}

LIVE = frozenset({SegmentStatus.RECORDING, SegmentStatus.FINALIZING, SegmentStatus.READY})
ARCHIVED = frozenset({SegmentStatus.EXPIRING, SegmentStatus.EXPIRED})


class PartState(StrEnum):
    """Where a part is."""

    DUE = "due"  # its range is fixed; offered once the buffer has passed it
    QUEUED = "queued"  # offered to the writers
    RUNNING = "running"  # a writer holds its lease
    DONE = "done"  # its packets are stored and its index is in the row
    GAP = "gap"  # given up; the segment says why


PART_TRANSITIONS: dict[PartState, frozenset[PartState]] = {
    PartState.DUE: frozenset({PartState.QUEUED, PartState.GAP}),
    PartState.QUEUED: frozenset({PartState.RUNNING, PartState.DUE}),
    PartState.RUNNING: frozenset({PartState.DONE, PartState.DUE, PartState.GAP}),
    PartState.DONE: frozenset(),
    PartState.GAP: frozenset(),
}

LEASE_SECONDS = 6.0  # of a run; renewed every two
ID_REUSED = "id_reused"  # why a detection is rejected whose id its camera has used for another time


class DetectionOutcome(StrEnum):
    """What became of a detection."""

    PENDING = "pending"  # durable, not yet looked at
    RECORDED = "recorded"  # inside at least one segment
    BELOW_THRESHOLD = "below_threshold"  # not over the camera's min_confidence
    EXPIRED = "buffer_expired"  # its window had left the buffer
    IGNORED = "ignored"  # a list ignores its plate, or only hits are recorded and it is none
    QUIET = "quiet"  # of a vehicle that has stayed for longer than `max_pass_seconds`
    REJECTED = "rejected"  # not acceptable; `reason` says why
