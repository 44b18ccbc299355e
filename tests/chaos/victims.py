"""Runs use cases in processes that end, as by SIGKILL, at a named point between two of their steps.

A use case touches the world through its ports alone, so its steps are its ports' calls: a point is
before or after the n-th call of a method. The product knows nothing of it. Started once (`python -m
tests.chaos.victims`), this program has everything imported and forks for each job it reads; the
child opens its own clients.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from services.dispatch.intake import Intake
from services.dispatch.pacer import Pacer
from services.dispatch.wiring import build as build_dispatch
from shared.runtime.settings import Settings
from workers.consistency.check import check
from workers.retention.cleanup import cleanup
from workers.wiring import World, build
from workers.writer.finalise import finalise
from workers.writer.write_part import write_part

KILLED = 137


@dataclass
class Points:
    """The points that were reached, in order; the process ends at the one named `at`."""

    at: str | None
    path: Path
    reached: Counter[str] = field(default_factory=Counter)

    def reach(self, name: str) -> None:
        self.reached[name] += 1
        label = f"{name}#{self.reached[name]}"
        if label == self.at:
            os._exit(KILLED)
        with self.path.open("a", encoding="utf-8") as out:
            out.write(label + "\n")


class Port:
    """A port with a point before and after each of its calls."""

    def __init__(self, name: str, real: Any, points: Points) -> None:
        self._name, self._real, self._points = name, real, points

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._real, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._points.reach(f"before {self._name}.{method}")
            answer = real(*args, **kwargs)
            if isinstance(answer, Iterator):
                return self._through(method, answer)
            self._points.reach(f"after {self._name}.{method}")
            return answer

        return call

    def _through(self, method: str, answer: Iterator[Any]) -> Iterator[Any]:
        yield from answer
        self._points.reach(f"after {self._name}.{method}")


def with_points(ports: Any, names: tuple[str, ...], points: Points) -> Any:
    """The same ports, these with points."""
    return replace(ports, **{name: Port(name, getattr(ports, name), points) for name in names})


WRITER = ("frames", "parking", "store", "rows", "pictures")


def _write_part(world: World, job: dict[str, Any], points: Points) -> None:
    write_part(UUID(job["id"]), job["offer"], with_points(world.writer, WRITER, points))


def _finalise(world: World, job: dict[str, Any], points: Points) -> None:
    finalise(UUID(job["id"]), job["offer"], with_points(world.writer, WRITER, points))


def _cleanup(world: World, job: dict[str, Any], points: Points) -> None:
    parts = with_points(world.cleanup.parts, ("rows", "store"), points)
    ports = with_points(world.cleanup, ("rows", "pictures", "counters", "store", "jobs"), points)
    cleanup(replace(ports, parts=parts), job["params"])


def _check(world: World, job: dict[str, Any], points: Points) -> None:
    check(with_points(world.check, ("rows", "store"), points), job["params"])


WORKERS: dict[str, Callable[[World, dict[str, Any], Points], None]] = {
    "write_part": _write_part,
    "finalise": _finalise,
    "cleanup": _cleanup,
    "check": _check,
}


def _run(job: dict[str, Any]) -> None:
    points = Points(job["at"], Path(job["trace"]))
    settings = Settings.model_validate(job["settings"])
    if job["use_case"] in WORKERS:
        WORKERS[job["use_case"]](build(settings), job, points)
        return
    dispatch = build_dispatch(settings)
    if job["use_case"] == "intake":
        ports = with_points(dispatch.intake._ports, ("stream", "rows", "frames", "holds"), points)
        Intake(ports).read_stream(0.2)
    else:
        offering = with_points(dispatch.pacer.ports.offering, ("rows", "queue"), points)
        holding = with_points(dispatch.pacer.ports.holding, ("holds", "rows"), points)
        closing = with_points(dispatch.pacer.ports.closing, ("rows",), points)
        pacer_ports = with_points(dispatch.pacer.ports, ("rows", "frames"), points)
        Pacer(replace(pacer_ports, offering=offering, holding=holding, closing=closing)).tick()


def main() -> None:
    """A job a line in; its exit status a line out."""
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            os.dup2(2, 1)  # what it logs is not an answer
            try:
                _run(job)
                status = 0
            finally:
                os._exit(status)
        _, waited = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(waited)}\n")
        sys.stdout.flush()


@dataclass
class Victims:
    """The other end: runs jobs one after another."""

    process: subprocess.Popen[str]
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, use_case: str, at: str | None, **job: Any) -> tuple[int, list[str]]:
        """Exit status, and the points that were reached before."""
        trace = self.folder / "trace"
        trace.write_text("")
        message = {
            "use_case": use_case,
            "at": at,
            "settings": self.settings,
            "trace": str(trace),
            **job,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return status, trace.read_text().splitlines()


@contextmanager
def victims() -> Iterator[Victims]:
    """The program, for the length of a block."""
    with TemporaryDirectory() as folder, subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.victims"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        yield Victims(process, Path(folder))
        assert process.stdin is not None
        process.stdin.close()


if __name__ == "__main__":
    main()
