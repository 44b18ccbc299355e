"""A sign of life for whoever watches a process: a file that is touched while its loop makes progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.domain.errors import Permanent
from shared.domain.ports import Clock

EVERY_SECONDS = 2.0


def pulse(path: Path | None, clock: Clock) -> Callable[[], None]:
    """A call that loops make after every good round; it touches `path` at most every two seconds (None: nothing)."""
    last = float("-inf")

    def beat() -> None:
        nonlocal last
        now = clock.monotonic()
        if path is not None and now - last >= EVERY_SECONDS:
            last = now
            path.write_text(str(clock.now_ms()), encoding="ascii")

    return beat


def seconds_since(path: Path, clock: Clock) -> float:
    """Age of the last sign of life; Permanent when there never was one."""
    try:
        return (clock.now_ms() - int(path.read_text(encoding="ascii"))) / 1000
    except (OSError, ValueError) as error:
        raise Permanent(f"{path}: no sign of life yet") from error
