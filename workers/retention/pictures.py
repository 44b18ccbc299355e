"""Deletes old pictures, ours and those of detectors: objects first, then what rows say of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from shared.domain.pictures import PictureKind
from shared.domain.ports import ObjectStore
from shared.domain.retention import DAY_MS
from shared.domain.timing import from_ms
from shared.wire.keys import picture_key
from workers.retention.ports import CleanupPorts

Row = TypeVar("Row", bound=Hashable)


def purge_pictures(ports: CleanupPorts, now_ms: int, limit: int) -> int:
    """Delete pictures that are older than their days. Returns of how many passes and detections.

    One that the store refuses to delete stays in its row, and is tried again by the next cleanup.
    """
    days = ports.policy.pictures_days
    if days is None:
        return 0
    before, rows = from_ms(now_ms - round(days * DAY_MS)), ports.pictures
    of_passes = _deleted(ports.store, rows.old(before, limit))
    rows.forget(of_passes)
    of_detections = _deleted(ports.store, rows.old_own(before, limit))
    rows.forget_own(of_detections)
    return len(of_passes) + len(of_detections)


def purge_left_pictures(ports: CleanupPorts, limit: int) -> int:
    """Delete pictures that are no pass's any more. Returns how many passes had them."""
    left = [(path, path) for path in ports.pictures.left(limit)]
    gone = _deleted(ports.store, left)
    ports.pictures.forget_left(gone)
    return len(gone)


def _deleted(store: ObjectStore, old: Sequence[tuple[Row, str]]) -> list[Row]:
    """Returns the rows whose pictures are all deleted."""
    keys = {picture_key(path, kind): row for row, path in old for kind in PictureKind}
    refused = {keys[key] for key in store.delete(list(keys)) if key in keys}
    return [row for row, _ in old if row not in refused]
