"""A sign of life for supervisors: a file that is written while a process's loop makes progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.domain.errors import Permanent
from shared.domain.ports import Clock
from shared.runtime.logs import logger
from shared.runtime.vitals import noted_ms

EVERY_SECONDS = 2.0

_log = logger(__name__)


def pulse(path: Path | None, clock: Clock) -> Callable[[], None]:
    """Returns a call for loops to make after every good round.

    It writes `path` at most every two seconds (None: nothing). The file is replaced as a whole, so
    that no reader finds it empty. Where it cannot be written, the loop goes on: the check finds an
    old sign, and the log says why.
    """
    last = float("-inf")
    told = False

    def beat() -> None:
        nonlocal last, told
        now = clock.monotonic()
        if path is None or now - last < EVERY_SECONDS:
            return
        last = now
        try:
            _replace(path, str(clock.now_ms()))
        except OSError as error:
            if not told:
                _log.warning("pulse_not_written", path=str(path), error=error.strerror)
            told = True
        else:
            told = False

    return beat


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, encoding="ascii")
    temporary.replace(path)


def seconds_since(path: Path, clock: Clock) -> float:
    """Returns the age of the last sign of life; raises Permanent when there never was one."""
    try:
        return (clock.now_ms() - noted_ms(path)) / 1000
    except (OSError, ValueError) as error:
        raise Permanent(f"{path}: no sign of life yet") from error
