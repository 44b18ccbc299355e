"""The result of one cleanup, over all its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.domain.retention import Verdict

EXAMPLES = 100


@dataclass(slots=True)
class Totals:
    """Counts of clips and bytes. `stopped`: why nothing was marked.

    `complete`: whether nothing is left to do.
    """

    dry_run: bool
    archived: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    clips: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    deleted: int = 0
    failed: int = 0
    parts_settled: int = 0
    reopened: int = 0
    history_purged: int = 0
    complete: bool = False
    stopped: str | None = None

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Note clips that are archived."""
        for verdict in verdicts:
            self.archived += 1
            self.reasons[verdict.reason] += 1
            self.clips[verdict.camera_id] += 1
            self.sizes[verdict.camera_id] += verdict.size_bytes
            if len(self.examples) < EXAMPLES:
                self.examples.append(str(verdict.segment_id))

    def as_json(self) -> dict[str, Any]:
        """Returns the result as a machine reads it; a dry run has only what would be archived."""
        told: dict[str, Any] = {
            "dry_run": self.dry_run,
            "archived": self.archived,
            "bytes": sum(self.sizes.values()),
            "reasons": dict(sorted(self.reasons.items())),
            "cameras": {
                camera: {"archived": self.clips[camera], "bytes": self.sizes[camera]}
                for camera in sorted(self.clips)
            },
            "examples": self.examples,
            "complete": self.complete,
        }
        if not self.dry_run:
            told |= {
                "deleted": self.deleted,
                "failed": self.failed,
                "parts_settled": self.parts_settled,
                "reopened": self.reopened,
                "history_purged": self.history_purged,
            }
        return told if self.stopped is None else {**told, "stopped": self.stopped}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Totals:
        """Returns the result that `as_json` gave, to go on with."""
        cameras: Mapping[str, Mapping[str, int]] = told["cameras"]
        return cls(
            dry_run=told["dry_run"],
            archived=told["archived"],
            reasons=Counter(told["reasons"]),
            clips=Counter({camera: each["archived"] for camera, each in cameras.items()}),
            sizes=Counter({camera: each["bytes"] for camera, each in cameras.items()}),
            examples=list(told["examples"]),
            deleted=told.get("deleted", 0),
            failed=told.get("failed", 0),
            parts_settled=told.get("parts_settled", 0),
            reopened=told.get("reopened", 0),
            history_purged=told.get("history_purged", 0),
            stopped=told.get("stopped"),
        )
