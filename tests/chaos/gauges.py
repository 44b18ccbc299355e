"""Memory, descriptors and threads of a site's processes, to see that they stay flat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.site import Site

MOST_MEMORY_KB, MOST_FILES, MOST_THREADS = 120_000, 25, 12


@dataclass(frozen=True)
class Gauge:
    """One process at one moment."""

    memory_kb: int
    files: int
    threads: int


def gauges(site: Site) -> dict[tuple[str, int], Gauge]:
    """Every process of ours that runs now, by role and pid; pool children too."""
    found = {}
    for role in site.roles:
        for pid in site.members[role].tree:
            try:
                status = dict(
                    line.split(":", 1)
                    for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                    if ":" in line
                )
                files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                memory_kb = int(status["VmRSS"].split()[0])
            except (OSError, KeyError):
                continue
            found[(role, pid)] = Gauge(memory_kb, files, int(status["Threads"]))
    return found


def grown(before: dict[tuple[str, int], Gauge], after: dict[tuple[str, int], Gauge]) -> list[str]:
    """Processes that lived through it and are not flat."""
    found = []
    for key in before.keys() & after.keys():
        a, b = before[key], after[key]
        for name, most in (
            ("memory_kb", MOST_MEMORY_KB),
            ("files", MOST_FILES),
            ("threads", MOST_THREADS),
        ):
            more = getattr(b, name) - getattr(a, name)
            if more > most:
                found.append(f"{key[0]} ({key[1]}): {name} grew by {more}, from {getattr(a, name)}")
    return found
