"""Measuring: rounds of ours and the peer's in turn, CPU seconds of the whole process tree, medians,
ratios.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from rich.console import Console
from rich.table import Column, Table

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5

console = Console()
# before anything uses it: a thread pool of before the fork would hang the children
cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `ratio` is ours to the peer's; `target` what it must at least (or at most)
    be, None to report.
    """

    case: str
    metric: str
    ours: float
    peer: float | None
    ratio: float | None
    target: str | None
    met: bool | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run: of the wall, and of CPU over the process and all it started."""

    wall_s: float
    cpu_s: float


def compare(case: str, metric: str, ours: float, peer: float, target: str | None = None) -> Row:
    """A row; target such as `>= 1.4` or `<= 0.6` is held against ours / peer."""
    ratio = ours / peer if peer else float("inf")
    return Row(
        case=case,
        metric=metric,
        ours=ours,
        peer=peer,
        ratio=ratio,
        target=target,
        met=None if target is None else holds(ratio, target),
    )


def report(case: str, metric: str, ours: float, target: str | None = None) -> Row:
    """A row without a peer; a target is held against ours."""
    return Row(
        case=case,
        metric=metric,
        ours=ours,
        peer=None,
        ratio=None,
        target=target,
        met=None if target is None else holds(ours, target),
    )


def holds(value: float, target: str) -> bool:
    """Whether a value meets `>= X` or `<= X`."""
    sign, limit = target.split()
    return value >= float(limit) if sign == ">=" else value <= float(limit)


def cost_of(work: Callable[[], object]) -> Cost:
    """Run `work` in a child process of its own; what it and its children used. A failing child
    fails the benchmark.
    """
    sys.stdout.flush()
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child says why, and ends
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"the measured work failed with status {status}")
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime)


def in_turn(works: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, Cost]:
    """Each work in turn, `rounds` times over; medians of wall and CPU seconds."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            costs[name].append(cost_of(work))
    return {
        name: Cost(median(c.wall_s for c in each), median(c.cpu_s for c in each))
        for name, each in costs.items()
    }


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    packages = {
        name: version(name)
        for name in ("av", "opencv-python", "redis", "celery", "psycopg", "numpy")
    }
    return {
        "cpu": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
        "python": platform.python_version(), "packages": packages,
    }  # fmt: skip


def show(name: str, rows: Sequence[Row]) -> None:
    """Print a table."""
    right = [Column(title, justify="right") for title in ("ours", "peer", "ratio", "target")]
    table = Table("case", "metric", *right, "met", title=name, box=None)
    for row in rows:
        table.add_row(
            row.case,
            row.metric,
            _figure(row.ours),
            _figure(row.peer),
            _figure(row.ratio),
            row.target or "",
            {True: "yes", False: "no", None: ""}[row.met],
        )
    console.print(table)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def save(name: str, rows: Sequence[Row]) -> Path:
    """Write results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    body = {"benchmark": name, "machine": machine(), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    return path
