"""One folder in which several processes count together (prometheus-client's multiprocess mode).

Each process counts in files of its own there, so no process waits for another; the process that
answers a scrape adds them up. Counts stay when a process ends: its files are folded into one, so
that a counter never goes back and the folder does not grow with every process that ever ran. A
gauge is removed with its process.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    mmap_dict,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import REGISTRY, Collector

from shared.domain.errors import Retryable
from shared.runtime.metrics_room import FOLDER_VARIABLE, ROOM_BYTES, SUMMED, make_room, reserve

_OF_PROCESS = re.compile(r"(?:counter|histogram|gauge_[a-z]+)_([0-9]+)\.db")
ENTER_TRIES, READ_TRIES, TRY_SECONDS = 10, 30, 0.02


@dataclass(frozen=True, slots=True)
class MetricsFolder(Collector):
    """The folder `path`. Any process may call every method at any time."""

    path: Path

    def enter(self) -> None:
        """Begin to count. Each process calls it, and each pool child after its fork.

        Folds the files of processes that ended, so that there are only as many files as processes
        that live at once. If another process holds the folder for long, it may have been stopped:
        then work begins without folding, and the next process folds.
        """
        with self._alone(ENTER_TRIES) as alone:
            if alone:
                self._fold()
            make_room(self.path)

    def collect(self) -> Iterator[Metric]:
        """Returns everything that was counted here since the folder was empty.

        Raises Retryable where another process holds the folder. In the middle of a fold the files
        count some things twice, and a counter that was read then would go back later.
        """
        with self._alone(READ_TRIES) as alone:
            if not alone:
                raise Retryable(
                    "another process holds the counters; one that was stopped holds them until it goes on"
                )
            self._fold()
            families: list[Metric] = list(MultiProcessCollector.merge(self._files()))  # type: ignore[no-untyped-call]
        yield from families

    def _files(self) -> list[str]:
        """Returns files that can be read: a process may have been killed while it made one."""
        return [str(path) for path in sorted(self.path.glob("*.db")) if _values(path) is not None]

    def _fold(self) -> None:
        """Add the counts of ended processes to those of all that ended earlier, and drop their
        gauges.
        """
        ended = {pid for pid in self._pids() if not _lives(pid)}
        for pid in ended:
            mark_process_dead(pid, str(self.path))  # type: ignore[no-untyped-call]
        if not ended:
            return
        for kind in SUMMED:
            found = [self.path / f"{kind}_{pid}.db" for pid in sorted(ended)]
            with suppress(OSError):  # a full disk: the files stay, and count as they are
                self._add_up(kind, [path for path in found if path.exists()])

    def _add_up(self, kind: str, ended: list[Path]) -> None:
        total = self.path / f"{kind}_ended.db"
        sums: dict[str, float] = {}
        for path in [total, *ended]:
            for key, value in _values(path) or []:
                sums[key] = sums.get(key, 0.0) + value
        fresh = total.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        reserve(fresh, max(ROOM_BYTES, 2 * sum(len(key) + 32 for key in sums)))
        written = mmap_dict.MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
        for key, value in sums.items():
            written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
        written.close()  # type: ignore[no-untyped-call]
        fresh.replace(total)
        for path in ended:
            path.unlink()

    def _pids(self) -> set[int]:
        return {
            int(found[1])
            for path in self.path.iterdir()
            if (found := _OF_PROCESS.fullmatch(path.name))
        }

    @contextmanager
    def _alone(self, tries: int) -> Iterator[bool]:
        """Yields whether nobody else folds or reads during the block; False where another process
        does not end. A count that is read during a fold would be seen twice, or not at all.
        """
        with (self.path / ".lock").open("w") as lock:
            yield _held(lock.fileno(), tries)


def shared_folder() -> MetricsFolder | None:
    """Returns the folder in which this process counts; None where it counts alone."""
    named = os.environ.get(FOLDER_VARIABLE)
    return None if named is None else MetricsFolder(Path(named))


def registry_of(folder: MetricsFolder | None, pid: int | None = None) -> CollectorRegistry:
    """Returns what answers a scrape: the counters, and what Python and the system know of one
    process. pid: the process; by default the one that answers.
    """
    if folder is None:
        return REGISTRY
    registry = CollectorRegistry()
    registry.register(folder)
    ProcessCollector(pid=lambda: "self" if pid is None else pid, registry=registry)
    if pid is None:
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
    return registry


def exposition() -> bytes:
    """Returns everything that can be reported at this process's address, as text for Prometheus."""
    return generate_latest(registry_of(shared_folder()))


def _held(handle: int, tries: int) -> bool:
    """Returns whether one of several tries got the lock: waiting for it without a limit would hold
    up the work.
    """
    pause = threading.Event()
    for _ in range(tries):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pause.wait(TRY_SECONDS)
        else:
            return True
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _values(path: Path) -> list[tuple[str, float]] | None:
    """Returns what a file counts; None where it is missing or torn."""
    try:
        read = mmap_dict.MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
        return [(key, value) for key, value, _, _ in read]
    except (FileNotFoundError, RuntimeError, struct.error, UnicodeDecodeError):
        return None
