"""Deletes parts some time after their clip is READY, once its object has been seen again.

Several S3 servers answer a PUT before the bytes are on disk. A clip that a crash of the store lost
is made again from its parts, with the same bytes under the same key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.ports import ConsistencyRows, ObjectStore
from shared.runtime.logs import logger
from workers.part_objects import clear_parts, is_there

BATCH = 50  # a clip costs a few calls of the store
OBJECT_LOST = "object_lost"

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsPorts:
    """What this needs of the world. kept_s: how long parts stay after READY."""

    rows: ConsistencyRows
    store: ObjectStore
    kept_s: float


def settle(ports: PartsPorts, over: Callable[[], bool] = lambda: False) -> tuple[int, int]:
    """Delete parts that are no longer needed, until `over`.

    Returns how many segments' parts were deleted, and how many clips are made again.
    """
    settled = reopened = 0
    while True:
        batch = ports.rows.finished_with_parts(ports.kept_s, BATCH)
        before = settled + reopened
        for clip in batch:
            if is_there(clip, ports.store):
                settled += clear_parts(clip.segment_id, ports.rows, ports.store)
            elif ports.rows.reopen(clip.segment_id, OBJECT_LOST):
                _log.error(
                    "clip_lost_by_the_store", segment_id=str(clip.segment_id), key=clip.file_path
                )
                reopened += 1
        if len(batch) < BATCH or settled + reopened == before or over():
            return settled, reopened
