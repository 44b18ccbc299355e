"""A request body that is read in pieces, and only while its sender may go on."""

from __future__ import annotations

from typing import BinaryIO

from shared.domain.errors import Conflict
from shared.domain.ports import Allowed


class Allowance:
    """Reads from `source`; raises Conflict as soon as `allowed` says no."""

    def __init__(self, source: BinaryIO, key: str, allowed: Allowed | None) -> None:
        self._source, self._key, self._allowed = source, key, allowed

    def read(self, size: int = -1) -> bytes:
        """Returns the next piece of at most `size` bytes, empty at the end."""
        if self._allowed is not None and not self._allowed():
            raise Conflict("the lease was lost before it was stored", key=self._key)
        return self._source.read(size)
