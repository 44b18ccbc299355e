"""Opens the object store that a storage URL names."""

from __future__ import annotations

from pathlib import Path

from shared.adapters.storage.address import parse_storage_url
from shared.adapters.storage.files import FileObjects
from shared.adapters.storage.s3 import MinioObjects
from shared.adapters.storage.s3_pool import PATIENCE_SECONDS
from shared.domain.ports import Clock, ObjectStore


def open_store(
    url: str, clock: Clock, patience_s: float = PATIENCE_SECONDS, public_url: str | None = None
) -> ObjectStore:
    """Returns a store for `s3://…` or `file:///…`. Opening does not connect.

    patience_s: how long an answer may take. public_url: where browsers reach an S3 store.
    """
    address = parse_storage_url(url)
    return (
        FileObjects(address)
        if isinstance(address, Path)
        else MinioObjects(address, clock, patience_s, public_url)
    )
