"""Where MP4s live."""

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
class Room:
    """How large a store's disk is, and how much of it is free."""

    total_bytes: int
    free_bytes: int


Allowed = Callable[[], bool]
"""Whether whoever began a long call still has the right to go on with it."""


class ObjectStore(Protocol):
    """Where MP4s live. Raises Retryable while the store is away, NotFound for an absent key."""

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

        It may take as long as it makes progress: Retryable after `patience_s` without any. `allowed` is asked before
        each piece; Conflict when it says no.
        """

    def get(self, key: str) -> bytes:
        """A small object, whole."""

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """An object's bytes from `start` on, in pieces."""

    def head(self, key: str) -> StoredObject | None:
        """What is known of an object, None if it is not there."""

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix` and comes after `after`, in byte order of key."""

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """Delete many; absent keys are fine. Returns key -> reason for those that could not be deleted."""

    def abandon_uploads(self, before_ms: int) -> int:
        """Remove what uploads begun before that moment left behind without ending; how many there were."""

    def presigned(self, key: str, seconds: float, file_name: str, content_type: str) -> str | None:
        """A URL that gives a browser the object for so long; None where browsers cannot reach the store."""

    def room(self) -> Room | None:
        """How full the store is; None where it does not say."""

    def prepare(self) -> None:
        """Make the bucket or folder if it is not there."""
