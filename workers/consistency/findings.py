"""What a check found, by kind, and what was repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.runtime.logs import logger
from shared.runtime.metrics import FINDINGS, from_zero

EXAMPLES = 100
HALF_FROM = 20

_log = logger(__name__)


class Kind(StrEnum):
    """Ways in which rows and objects can disagree, or work can be left undone."""

    ORPHAN = "orphan"  # an object that no row expects
    STALE_UPLOAD = "stale_upload"  # an upload that began long ago and never ended
    MISSING = "missing"  # a READY row without its object
    WRONG_SIZE = "wrong_size"  # a READY row whose object has another size
    DAMAGED = "damaged"  # deep: another hash, or it does not decode to its frames
    LOST_STRIP = "lost_strip"  # a READY row without its strip
    UNFINISHED = "unfinished"  # a recording that nobody goes on with
    FAILED = "failed"  # a FAILED segment that has footage in parts
    LEFTOVER_PARTS = "leftover_parts"  # a finished segment whose parts are still there
    MISCOUNTED = "miscounted"  # a counter of the statistics that is not what a count gives
    HALF_DELETED = "half_deleted"  # marked for deletion long ago, and not gone


from_zero(FINDINGS, Kind, ("yes", "no"))


@dataclass(slots=True)
class Finding:
    """One kind: how many cases, how many of them were repaired, and their names (the first
    hundred).
    """

    found: int = 0
    repaired: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """One check's report. A new one is made for every run."""

    repair: bool
    deep: bool
    objects: int = 0
    clips: int = 0
    read_back: int = 0
    unread: int = 0
    stopped: list[str] = field(default_factory=list)
    kinds: dict[Kind, Finding] = field(default_factory=lambda: {kind: Finding() for kind in Kind})

    def add(self, kind: Kind, what: object, *, repaired: bool = False) -> None:
        """Note one case."""
        finding = self.kinds[kind]
        finding.found += 1
        finding.repaired += repaired
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(str(what))

    def mended(self, kind: Kind, count: int) -> None:
        """Note that so many of the cases are repaired."""
        self.kinds[kind].repaired += count

    def withdrawn(self, kind: Kind, count: int) -> None:
        """Note that so many of the cases were none when they were checked again."""
        self.kinds[kind].found -= count

    def found(self, *kinds: Kind) -> int:
        """Returns the cases of these kinds together."""
        return sum(self.kinds[kind].found for kind in kinds)

    def stops(self, some: int, of: int, what: str) -> bool:
        """Returns whether a repair would give up more than half of what was seen; notes that."""
        if of < HALF_FROM or some * 2 <= of:
            return False
        reason = f"{some} of {of} {what} would be given up; nothing was"
        if reason not in self.stopped:
            self.stopped.append(reason)
            _log.error("check_stopped", reason=reason)
        return True

    @property
    def open(self) -> int:
        """Cases that are not repaired."""
        return sum(finding.found - finding.repaired for finding in self.kinds.values())

    def count(self) -> None:
        """Add everything to this process's counters, once it is all there."""
        for kind, each in self.kinds.items():
            FINDINGS.labels(kind, "yes").inc(each.repaired)
            FINDINGS.labels(kind, "no").inc(each.found - each.repaired)

    @classmethod
    def from_json(cls, report: Mapping[str, Any]) -> Findings:
        """Returns the report that `as_json` gave, to go on with."""
        findings = cls(
            repair=report["repair"],
            deep=report["deep"],
            objects=report["objects"],
            clips=report["clips"],
            read_back=report["read_back"],
            unread=report["unread"],
            stopped=list(report["stopped"]),
        )
        for kind, each in report["findings"].items():
            findings.kinds[Kind(kind)] = Finding(
                each["found"], each["repaired"], list(each["examples"])
            )
        return findings

    def as_json(self) -> dict[str, Any]:
        """Returns the report as a machine reads it; kinds without a case are left out."""
        return {
            "repair": self.repair,
            "deep": self.deep,
            "objects": self.objects,
            "clips": self.clips,
            "read_back": self.read_back,
            "unread": self.unread,
            "findings": {
                str(kind): {
                    "found": each.found,
                    "repaired": each.repaired,
                    "examples": each.examples,
                }
                for kind, each in self.kinds.items()
                if each.found
            },
            "stopped": self.stopped,
            "open": self.open,
            "clean": not any(finding.found for finding in self.kinds.values()),
        }
