"""Deletes old pictures of passes: objects first, then what the rows say of them."""

from __future__ import annotations

from shared.domain.pictures import PictureKind
from shared.domain.retention import DAY_MS
from shared.domain.timing import from_ms
from shared.wire.keys import picture_key
from workers.retention.ports import CleanupPorts


def purge_pictures(ports: CleanupPorts, now_ms: int, limit: int) -> int:
    """Delete pictures that are older than their days. Returns of how many passes.

    One that the store refuses to delete stays in its row, and is tried again by the next cleanup.
    """
    days = ports.policy.pictures_days
    if days is None:
        return 0
    old = ports.pictures.old(from_ms(now_ms - round(days * DAY_MS)), limit)
    keys = {picture_key(path, kind): pass_id for pass_id, path in old for kind in PictureKind}
    refused = {keys[key] for key in ports.store.delete(list(keys)) if key in keys}
    gone = [pass_id for pass_id, _ in old if pass_id not in refused]
    ports.pictures.forget(gone)
    return len(gone)
