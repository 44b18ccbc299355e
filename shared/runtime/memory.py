"""A limit on what one process may allocate."""

from __future__ import annotations

import resource
import sys


def limit_memory(limit_bytes: int) -> None:
    """Allocations beyond the limit raise MemoryError in this process, instead of felling its host
    (Linux).

    The limit is of private writable memory (RLIMIT_DATA): mapped libraries and files do not count.
    """
    if sys.platform.startswith("linux"):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))
