"""Deletes old pictures of passes: objects first, then what the rows say of them."""

from __future__ import annotations

from collections.abc import Sequence

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
    refused = _refused(ports, [path for _, path in old])
    gone = [pass_id for pass_id, path in old if path not in refused]
    ports.pictures.forget(gone)
    return len(gone)


def purge_left_pictures(ports: CleanupPorts, limit: int) -> int:
    """Delete pictures that are no pass's any more. Returns how many passes had them."""
    paths = ports.pictures.left(limit)
    refused = _refused(ports, paths)
    gone = [path for path in paths if path not in refused]
    ports.pictures.forget_left(gone)
    return len(gone)


def _refused(ports: CleanupPorts, paths: Sequence[str]) -> set[str]:
    """Delete all pictures with these paths. Returns the paths of those that the store keeps."""
    keys = {picture_key(path, kind): path for path in paths for kind in PictureKind}
    return {keys[key] for key in ports.store.delete(list(keys)) if key in keys}
