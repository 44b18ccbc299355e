"""What becomes of a detection before its camera's windows are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.plate_lists import IgnoredReads, ListKind, Match, ignoring
from shared.domain.policy import Reads, Record, RecordingPolicy


@dataclass(frozen=True, slots=True)
class Judgement:
    """outcome: None where it is to be recorded. stored: whether it gets a row and a pass. counted:
    whether it is counted although it is not stored.
    """

    outcome: DetectionOutcome | None = None
    stored: bool = True
    counted: bool = False


def judged(
    detection: Detection, policy: RecordingPolicy, matches: Sequence[Match], *, of_hit: bool
) -> Judgement:
    """Returns what becomes of a detection. of_hit: its pass is a hit already, and what is wanted is
    recorded however it is read next.
    """
    below = detection.confidence <= policy.min_confidence
    if not of_hit and not (hits(matches) and not below):
        ignores = ignoring(matches)
        if ignores is not None:
            kept = ignores.reads is IgnoredReads.KEPT
            return Judgement(DetectionOutcome.IGNORED, stored=kept)
        if policy.record == Record.HITS and policy.reads != Reads.KEEP:
            return Judgement(
                DetectionOutcome.IGNORED, stored=False, counted=policy.reads == Reads.COUNT
            )
        if policy.record == Record.HITS and not below:
            return Judgement(DetectionOutcome.IGNORED)
    return Judgement(DetectionOutcome.BELOW_THRESHOLD if below else None)


def hits(matches: Sequence[Match]) -> bool:
    """Returns whether a plate is wanted."""
    return any(match.plate_list.kind is ListKind.WATCH for match in matches)
