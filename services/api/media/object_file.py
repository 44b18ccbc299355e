"""An object of the store as a file with random access, never read whole."""

from __future__ import annotations

import io

from shared.domain.ports import ObjectStore

BLOCK = 256 * 1024
KEPT = 16


class RangedObject(io.RawIOBase):
    """Reads blocks of 256 KiB as they are needed, and keeps the last 16."""

    def __init__(self, store: ObjectStore, key: str, size_bytes: int) -> None:
        self._store = store
        self._key = key
        self._size = size_bytes
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        """Returns where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Returns up to that many bytes; empty at the end."""
        left = self._size - self._at if size < 0 else min(size, self._size - self._at)
        pieces = []
        while left > 0:
            block = self._block(self._at // BLOCK)
            piece = block[self._at % BLOCK :][:left]
            if not piece:
                break
            pieces.append(piece)
            self._at += len(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _block(self, number: int) -> bytes:
        found = self._blocks.pop(number, None)
        if found is None:
            length = min(BLOCK, self._size - number * BLOCK)
            found = b"".join(self._store.stream(self._key, number * BLOCK, length))
        self._blocks[number] = found
        while len(self._blocks) > KEPT:
            self._blocks.pop(next(iter(self._blocks)))
        return found
