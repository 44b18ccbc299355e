"""The going of a finished segment's parts: objects first, then rows."""

from __future__ import annotations

from uuid import UUID

from shared.domain.ports import ObjectStore, Repairs
from shared.wire.keys import parts_prefix


def clear_parts(segment_id: UUID, repairs: Repairs, store: ObjectStore) -> bool:
    """Remove them; False when some objects resist, and then the rows stay too."""
    keys = [stored.key for stored in store.walk(parts_prefix(segment_id))]
    refused = store.delete(keys)
    if not refused:
        repairs.forget_parts(segment_id)
    return not refused
