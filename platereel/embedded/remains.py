"""Processes of an earlier run in the same data folder: they must be gone before its files are used
again. Every child asks the kernel to end with its supervisor. If one stays nevertheless, two
servers would write the same files. So each start looks for the processes that the last one noted.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from shared.domain.errors import Permanent
from shared.domain.ports import Clock
from shared.runtime.logs import logger

PATIENCE_SECONDS, POLL_SECONDS = 10.0, 0.1
# fields of /proc/PID/stat after the name: when it was started, in ticks since the host's start
_STARTED_AT = 19

_log = logger(__name__)


def note(path: Path, pids: Iterable[int]) -> None:
    """Write down which processes use the folder."""
    found = [(pid, _started(pid)) for pid in pids]
    temporary = path.with_name(f"{path.name}.new")
    temporary.touch(mode=0o600)
    temporary.write_text(
        json.dumps([each for each in found if each[1] is not None]), encoding="ascii"
    )
    temporary.replace(path)


def clear(path: Path, clock: Clock) -> None:
    """Wait for the noted processes, and end those that do not end by themselves.

    Raises Permanent where one resists. A process that has ended and that its parent has not waited
    for still counts for PostgreSQL, which then refuses to start. It is waited for as long as the
    others.
    """
    until = clock.monotonic() + PATIENCE_SECONDS
    killed = False
    while noted := _left(path):
        if clock.monotonic() > until:
            left = [pid for pid in noted if not _ended(pid)]
            if not left:
                return
            if killed:
                raise Permanent(
                    f"processes of an earlier run do not end: {', '.join(map(str, left))}"
                )
            _log.warning("earlier_processes_killed", pids=left)
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            killed, until = True, clock.monotonic() + PATIENCE_SECONDS
        clock.sleep(POLL_SECONDS)


def _left(path: Path) -> list[int]:
    """Returns those of the noted processes that still run: the same id and the same start, so the
    same process.
    """
    try:
        noted = json.loads(path.read_text(encoding="ascii"))
        return [int(pid) for pid, started in noted if _started(int(pid)) == started]
    except (OSError, ValueError, TypeError):
        return []


def _started(pid: int) -> int | None:
    """Returns when a process was started; None when there is none, or where the system does not
    say.
    """
    fields = _fields(pid)
    return int(fields[_STARTED_AT]) if fields else None


def _ended(pid: int) -> bool:
    """Returns whether a process has ended, though its id may not be free yet."""
    fields = _fields(pid)
    return not fields or fields[0] == "Z"


def _fields(pid: int) -> list[str]:
    try:
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return []
