"""Starts children, watches them, starts them again with backoff, and stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from platereel.embedded.log_pipes import LogPipes
from platereel.embedded.processes import Command, spawn
from shared.domain.errors import Permanent
from shared.domain.ports import Clock
from shared.runtime.logs import logger

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.5, 15.0
STEADY_SECONDS = 20.0
PROBE_SECONDS = 180.0  # a slow host that is busy with something else

_log = logger(__name__)


class Stopped(Exception):
    """A stop was asked for before everything was up."""


@dataclass(slots=True)
class _Child:
    command: Command
    process: subprocess.Popen[bytes]
    started_at: float
    backoff_s: float = FIRST_BACKOFF_SECONDS
    again_at: float | None = None
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """Owns the children. logs: where their output goes; else straight into their log files.

    Only the main thread calls its methods: the kernel ties a child's end to its creator.
    """

    clock: Clock
    changed: Callable[[], None] = lambda: None
    stopping: Callable[[], bool] = lambda: False
    logs: LogPipes | None = None
    _children: dict[str, list[_Child]] = field(default_factory=dict)

    def start(self, command: Command) -> None:
        """Start a child and watch it from now on."""
        child = _Child(command, self._spawn(command), self.clock.monotonic())
        self._children.setdefault(command.name, []).append(child)
        self.changed()

    def pids(self) -> dict[str, list[int]]:
        """Returns process ids by name, of children that run."""
        return {
            name: [child.process.pid for child in children if child.again_at is None]
            for name, children in self._children.items()
        }

    def all_pids(self) -> list[int]:
        """Returns the process ids of all children, and of whoever writes their logs."""
        running = [pid for pids in self.pids().values() for pid in pids]
        return running + (self.logs.pids() if self.logs is not None else [])

    def restarts(self) -> int:
        """Returns how often any child had to be started again."""
        return sum(child.restarts for children in self._children.values() for child in children)

    def await_ready(self, name: str, probe: Callable[[], None]) -> None:
        """Wait until `probe` no longer raises.

        Raises Permanent with the log's end when the child dies or takes too long. Raises Stopped
        when a stop is asked for meanwhile.
        """
        until = self.clock.monotonic() + PROBE_SECONDS
        while True:
            try:
                probe()
            except Exception as error:
                if self.stopping():
                    raise Stopped from None
                child = self._children[name][-1]
                if child.process.poll() is not None or self.clock.monotonic() > until:
                    if self.logs is not None:
                        self.logs.settle(child.command.log)
                    tail = child.command.log.read_text(errors="replace")[-800:]
                    raise Permanent(
                        f"{name} did not start ({type(error).__name__}):\n{tail}"
                    ) from error
                self.clock.sleep(0.03)
            else:
                return

    def poll(self) -> None:
        """Look after the children once: log which died, start those again whose pause is over; and
        whoever writes the logs.
        """
        if self.logs is not None and self.logs.look():
            self.changed()
        for name, children in self._children.items():
            for child in children:
                self._look(name, child)

    def _look(self, name: str, child: _Child) -> None:
        now = self.clock.monotonic()
        if child.again_at is None:
            status = child.process.poll()
            if status is None:
                return
            if now - child.started_at > STEADY_SECONDS:
                child.backoff_s = FIRST_BACKOFF_SECONDS
            child.again_at = now + child.backoff_s
            _log.warning(
                "process_died",
                name=name,
                pid=child.process.pid,
                status=status,
                again_in=child.backoff_s,
            )
            child.backoff_s = min(LONGEST_BACKOFF_SECONDS, child.backoff_s * 2)
            self.changed()
        elif now >= child.again_at:
            child.process = self._spawn(child.command)
            child.started_at, child.again_at = now, None
            child.restarts += 1
            _log.info("process_started_again", name=name, pid=child.process.pid)
            self.changed()

    def _spawn(self, command: Command) -> subprocess.Popen[bytes]:
        if self.logs is None:
            return spawn(command)
        writing = self.logs.pipe(command.log)
        try:
            return spawn(command, writing)
        finally:
            os.close(writing)

    def stop(self, names: Iterable[str], seconds: float) -> None:
        """Ask the named children to stop, all at once; after `seconds` kill those that have not."""
        chosen = list(names)
        wanted = [child for name in chosen for child in self._children.get(name, [])]
        running = [child for child in wanted if child.process.poll() is None]
        for child in running:
            child.process.send_signal(child.command.stop_signal)
        until = self.clock.monotonic() + seconds
        for child in running:
            try:
                child.process.wait(max(0.05, until - self.clock.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("process_killed", name=child.command.name, pid=child.process.pid)
                child.process.send_signal(signal.SIGKILL)
                child.process.wait()
        for path in (path for child in wanted for path in child.command.leaves):
            path.unlink(missing_ok=True)
        for name in chosen:
            # only now: `kill` must know of them until they have ended
            self._children.pop(name, None)

    def kill(self) -> None:
        """Kill every child at once.

        A signal handler may call it: it takes no lock and waits for nobody.
        """
        for children in list(self._children.values()):
            for child in children:
                if child.process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.kill(child.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let the logs be written to their end, after all children have ended."""
        if self.logs is not None:
            self.logs.close()

    def names(self) -> list[str]:
        """Names of all children."""
        return list(self._children)
