"""Disk space for the files in which a process counts, reserved before anything is counted.

The files are mapped into memory. A file that had to grow on a full disk would end its process by
SIGBUS. So each gets its space at the start: enough for two hundred cameras, or every route.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client looks for it when it is imported
SUMMED = ("counter", "histogram")
GAUGES = "gauge_livemostrecent"  # metrics.py declares no other kind
ROOM_BYTES = 512 * 1024


def make_room(folder: Path) -> None:
    """Make this process's files in a folder. Raises OSError where the disk is full."""
    for kind in (*SUMMED, GAUGES):
        reserve(folder / f"{kind}_{os.getpid()}.db")


def reserve(path: Path, size: int = ROOM_BYTES) -> None:
    """Make a file of that size, or let an existing one grow to it; its content stays."""
    with path.open("ab") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
