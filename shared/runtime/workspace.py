"""Temporary folders for clips, and those that killed processes left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir

from shared.domain.ports import Clock

PREFIX = "platereel-clip-"
OLDEST_SECONDS = 6 * 3600.0  # finalising is ended after two hours


@contextmanager
def workspace(parent: Path | None, clock: Clock) -> Iterator[Path]:
    """Yields a folder of one's own below `parent` (or the system's), which is deleted at the end of
    the block. A SIGKILL leaves one behind. So folders that are older than any run may become are
    deleted first.
    """
    place = Path(gettempdir() if parent is None else parent)
    newest_ms = clock.now_ms() - round(OLDEST_SECONDS * 1000)
    for folder in place.glob(f"{PREFIX}*"):
        if _modified_ms(folder) < newest_ms:
            rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix=PREFIX, dir=place) as made:
        yield Path(made)


def _modified_ms(folder: Path) -> float:
    try:
        return folder.stat().st_mtime * 1000
    except FileNotFoundError:  # another worker was faster
        return float("inf")
