"""Gives a site a fault while it records, waits for quiet, and holds it against its promises."""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from tests.chaos.checker import Verdict, check, quiet
from tests.chaos.faults import Fault
from tests.chaos.site import Site
from tests.chaos.traffic import Traffic

WARM_SECONDS = 2.0
STEADY_SECONDS = 5.0  # longer than a pre-roll


@dataclass
class Row(Verdict):
    """A line of the table: what all checks of one fault found together."""

    key: str = ""
    fault: str = ""
    injected: int = 0
    slowest_recovery_s: float = 0.0
    seed: int = 0

    def take(self, verdict: Verdict) -> None:
        """Add what a check found."""
        for each in fields(Verdict):
            setattr(self, each.name, getattr(self, each.name) + getattr(verdict, each.name))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def endure(site: Site, fault: Fault, times: int, seed: int) -> Row:
    """Inject a fault a number of times under traffic; the row for the table."""
    chance = random.Random(seed)
    history = site.history
    row = Row(key=fault.key, fault=fault.name, seed=seed)
    site.wait_steady(STEADY_SECONDS)
    since = time.time()
    doors = ("http",) if fault.durable_only else ("http", "stream")
    with Traffic(site, history, seed, doors) as traffic:
        site.sleep(WARM_SECONDS)
        for _ in range(times):
            entry = history.begin("fault", fault.name)
            fault.inject(site, chance)
            history.end(entry, "ok")
            row.injected += 1
            row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
    quiet(site)
    row.take(check(site, history.acknowledged(since), since))
    return row


def recovery(site: Site, traffic: Traffic) -> float:
    """Seconds until the whole way works again: a new detection is accepted, recorded, and a part of
    it written.
    """
    began = time.monotonic()
    captured_at = time.time() - 0.2

    def accepted() -> str | None:
        body = traffic.publish("probe", captured_at, "http")
        return (
            body["detection_id"]
            if traffic.history.acknowledged().get(body["detection_id"])
            else None
        )

    name = site.wait("a detection to be accepted", accepted, 90)

    def written() -> bool:
        try:
            return bool(
                site.query(
                    """
                    SELECT FROM segment_detections l JOIN video_segments s ON s.id = l.segment_id
                     WHERE l.detection_id = %s AND (s.status = 'ready' OR EXISTS (
                           SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state = 'done'
                              AND p.end_time > to_timestamp(%s) - interval '3 s'))
                    """,
                    name,
                    captured_at,
                )
            )
        except Exception:  # noqa: BLE001 - a server that is on its way back
            return False

    site.wait("a part of it to be written", written, 120)
    return time.monotonic() - began


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as people read them (and as Markdown shows them); CHAOS_SEED replays a row."""
    head = [
        "", "fault", "injected", "accepted", "lost", "duplicated", "unexplained", "clips", "FAILED",
        "frames reported as lost", "slowest recovery", "seed",
    ]  # fmt: skip
    keys = [
        "key", "fault", "injected", "accepted", "lost", "duplicated", "unexplained", "clips", "failed", "frames_lost",
    ]  # fmt: skip
    lines = [
        [
            *(str(row[key]) for key in keys),
            f"{row['slowest_recovery_s']:.1f} s" if row["slowest_recovery_s"] else "-",
            str(row["seed"] or "-"),
        ]
        for row in rows
    ]
    wide = [max(len(line[at]) for line in [head, *lines]) for at in range(len(head))]

    def line(cells: list[str]) -> str:
        return (
            "| "
            + " | ".join(cell.ljust(width) for cell, width in zip(cells, wide, strict=True))
            + " |"
        )

    return "\n".join([line(head), line(["-" * width for width in wide]), *map(line, lines)])


def dump(rows: list[dict[str, Any]]) -> str:
    """The rows as a machine reads them."""
    return json.dumps({"rows": rows}, indent=2) + "\n"
