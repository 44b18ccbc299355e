"""Opens the object store that a storage URL names."""

from __future__ import annotations

from pathlib import Path

from shared.adapters.file_objects import FileObjects
from shared.adapters.minio_objects import MinioObjects
from shared.adapters.storage_url import parse_storage_url
from shared.domain.ports import Clock, ObjectStore


def open_store(url: str, clock: Clock) -> ObjectStore:
    """A store for `s3://…` or `file:///…`; opening does not connect."""
    address = parse_storage_url(url)
    return FileObjects(address) if isinstance(address, Path) else MinioObjects(address, clock)
