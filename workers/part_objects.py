"""Deletes a finished segment's parts: rows first, then objects."""

from __future__ import annotations

from uuid import UUID

from shared.domain.lifecycle import SegmentStatus
from shared.domain.ports import ConsistencyRows, FinishedClip, ObjectStore
from shared.wire.keys import parts_prefix


def is_there(clip: FinishedClip, store: ObjectStore) -> bool:
    """Returns whether a READY clip's object is stored; only then may its parts be deleted.

    Others promise no object.
    """
    if clip.status != SegmentStatus.READY:
        return True
    stored = store.head(clip.file_path)
    return stored is not None and stored.size_bytes == clip.size_bytes


def clear_parts(segment_id: UUID, rows: ConsistencyRows, store: ObjectStore) -> bool:
    """Delete a finished segment's parts, rows first.

    Returns False when it is not finished any more, or objects remain. Once its rows are deleted
    nobody begins to make the clip from them. Objects that remain are orphans, and a check deletes
    them.
    """
    if not rows.forget_parts(segment_id):
        return False
    return not store.delete([stored.key for stored in store.walk(parts_prefix(segment_id))])
