"""Where clips and parts are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's key, size in bytes and modification time (ms since 1970)."""

    key: str
    size_bytes: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class StoreSpace:
    """How large the store's disk is and how much of it is free, in bytes."""

    total_bytes: int
    free_bytes: int


Allowed = Callable[[], bool]
"""Whether whoever began a long call still has the right to go on with it."""


class ObjectStore(Protocol):
    """Where clips and parts are stored.

    Raises Retryable while the store is away, NotFound for an absent key.
    """

    def put(
        self,
        key: str,
        body: bytes | Path,
        content_type: str,
        *,
        patience_s: float | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        """Store the whole object or nothing, and verify its size. A file is never held in memory.

        It may take as long as it makes progress: Retryable after `patience_s` without any.
        `allowed` is asked before each piece; Conflict when it says no.
        """

    def get(self, key: str) -> bytes:
        """Returns a small object, whole."""

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yields an object's bytes from `start` on."""

    def head(self, key: str) -> StoredObject | None:
        """Returns what is known of an object, None if it is not there."""

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Yields every object whose key begins with `prefix` and comes after `after`, in byte order
        of key.
        """

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """Delete objects; absent keys are ignored.

        Returns key -> reason for those that could not be deleted.
        """

    def abandon_uploads(self, before_ms: int) -> int:
        """Delete what uploads left behind that began before that moment and never ended.

        Returns how many.
        """

    def presigned(self, key: str, seconds: float, file_name: str, content_type: str) -> str | None:
        """Returns a URL from which a browser can read the object for so long; None where browsers
        cannot reach the store.
        """

    def room(self) -> StoreSpace | None:
        """Returns how full the store is; None where it does not say."""

    def prepare(self) -> None:
        """Make the bucket or folder if it is not there."""

    def close(self) -> None:
        """Close connections that are kept for later calls."""
