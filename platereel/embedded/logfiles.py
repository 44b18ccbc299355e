"""Bounded logs of children: each has its file and the one before."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 10_000_000
PRIVATE = 0o600


def bound(log: Path, most: int = LOG_BYTES) -> None:
    """Begin a log anew when it is larger than `most` bytes.

    Its content becomes NAME.log.1; an older one is deleted. Children hold the file open and append
    to it, so it is copied and emptied: the next line is written at its beginning. A line that is
    written between copy and emptying is lost. The copy is for its owner alone, because plates are
    in it. On a full disk nothing is done.
    """
    with suppress(OSError):
        size = log.stat().st_size
        if size <= most or shutil.disk_usage(log.parent).free < 2 * size:
            return
        fresh = log.with_name(f"{log.name}.new")
        try:
            fresh.touch(mode=PRIVATE)
            fresh.chmod(PRIVATE)  # one that a killed run left
            shutil.copyfile(log, fresh)
            fresh.replace(log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
        finally:
            fresh.unlink(missing_ok=True)
