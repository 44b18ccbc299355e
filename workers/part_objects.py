"""The going of a finished segment's parts: objects first, then rows."""

from __future__ import annotations

from uuid import UUID

from shared.domain.lifecycle import SegmentStatus
from shared.domain.ports import FinishedClip, ObjectStore, Repairs
from shared.wire.keys import parts_prefix


def is_there(clip: FinishedClip, store: ObjectStore) -> bool:
    """Whether a READY clip's object is stored; only then may its parts go. Others promise no object."""
    if clip.status != SegmentStatus.READY:
        return True
    stored = store.head(clip.file_path)
    return stored is not None and stored.size_bytes == clip.size_bytes


def clear_parts(segment_id: UUID, repairs: Repairs, store: ObjectStore) -> bool:
    """Remove them; False when some objects resist, and then the rows stay too."""
    keys = [stored.key for stored in store.walk(parts_prefix(segment_id))]
    refused = store.delete(keys)
    if not refused:
        repairs.forget_parts(segment_id)
    return not refused
