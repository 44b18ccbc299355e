"""`python -m benchmarks [NAME …] [--quick]`: run, print, write results/NAME.json and
docs/charts/NAME.svg.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module

from benchmarks.chart import draw
from benchmarks.harness import console, machine, save, show
from benchmarks.site import one_site

NAMES = (
    "writer",
    "codecs",
    "keyframes",
    "copy",
    "strips",
    "capture",
    "packets",
    "trigger",
    "intake",
    "alert",
    "lists",
    "ready",
    "scale",
    "memory",
    "density",
    "api",
    "plates",
    "car_park",
    "page",
    "retention",
    "check",
    "simulation",
)


def main() -> None:
    """Run the named benchmarks, or all; exit status 0 when all could be measured, whatever the
    figures.
    """
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], help="which; none: all")
    parser.add_argument("--quick", action="store_true", help="a tiny size, to see that it works")
    asked = parser.parse_args()
    with one_site() if asked.quick and len(asked.names) > 1 else nullcontext():
        _run(asked.names or NAMES, quick=asked.quick)


def _run(names: Sequence[str], *, quick: bool) -> None:
    for name in names:
        console.print(f"{name}: running")
        rows = import_module(f"benchmarks.{name}").run(quick=quick)
        show(name, rows)
        if not quick:
            found = machine()
            written = save(name, rows), draw(name, rows, f"{found['cpu']}, {found['cores']} cores")
            console.print(
                "written: " + ", ".join(str(path) for path in written if path is not None)
            )


if __name__ == "__main__":
    main()
