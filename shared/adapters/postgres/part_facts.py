"""What a part's row keeps of it, to and from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.domain.gaps import Gap, GapCause, PartFacts, StoredPart
from shared.domain.media import FrameMark
from shared.domain.parts import ClipForm, Packet
from shared.domain.strips import Sheet
from shared.domain.timing import from_ms, to_ms


def gaps_json(gaps: Sequence[Gap]) -> Jsonb:
    """Returns the value of a segment's column `gaps`."""
    return Jsonb(
        [
            {
                "from": from_ms(gap.from_ms).isoformat(),
                "to": from_ms(gap.to_ms).isoformat(),
                "frames": gap.frames,
                "cause": gap.cause,
                **({"estimated": True} if gap.estimated else {}),
                **({"detail": gap.detail} if gap.detail else {}),
            }
            for gap in gaps
        ]
    )


def gaps_of_row(stored: Sequence[Mapping[str, Any]]) -> tuple[Gap, ...]:
    """Returns the gaps of a segment's column `gaps`."""
    return tuple(
        Gap(
            from_ms=to_ms(datetime.fromisoformat(gap["from"])),
            to_ms=to_ms(datetime.fromisoformat(gap["to"])),
            frames=gap["frames"],
            cause=GapCause(gap["cause"]),
            estimated=gap.get("estimated", False),
            detail=gap.get("detail", ""),
        )
        for gap in stored
    )


def facts_json(facts: PartFacts) -> dict[str, Any]:
    """Returns the value of a part's column `facts`."""
    return {
        "index": [
            [p.pts_ms, p.size, int(p.keyframe), *([1] if p.lead else [])] for p in facts.index
        ],
        "before": None if facts.before is None else asdict(facts.before),
        "first": None if facts.first is None else asdict(facts.first),
        "last": None if facts.last is None else asdict(facts.last),
        "after": None if facts.after is None else asdict(facts.after),
        "gaps": [asdict(gap) for gap in facts.gaps],
        "size_bytes": facts.size_bytes,
        "parameters_sha256": facts.parameters_sha256,
        "silence": facts.silence,
        "sheet": None if facts.sheet is None else asdict(facts.sheet),
    }


def facts_of(row: DictRow) -> PartFacts | None:
    """Returns the facts in a part's row, None when it has none."""
    stored = row["facts"]
    if stored is None:
        return None
    return PartFacts(
        index=tuple(
            Packet(pts, size, bool(key), bool(lead)) for pts, size, key, *lead in stored["index"]
        ),
        before=_mark(stored["before"]),
        first=_mark(stored["first"]),
        last=_mark(stored["last"]),
        gaps=tuple(Gap(**{**gap, "cause": GapCause(gap["cause"])}) for gap in stored["gaps"]),
        size_bytes=stored["size_bytes"],
        parameters_sha256=stored["parameters_sha256"],
        thumbnail=row["thumbnail"],
        after=_mark(stored.get("after")),
        silence=stored.get("silence"),
        sheet=_sheet(stored.get("sheet")),
    )


def _mark(stored: dict[str, Any] | None) -> FrameMark | None:
    return None if stored is None else FrameMark(**stored)


def _sheet(stored: dict[str, Any] | None) -> Sheet | None:
    return None if stored is None else Sheet(**{**stored, "times_ms": tuple(stored["times_ms"])})


def stored_part(row: DictRow) -> StoredPart:
    """Returns a part's row as finalise sees it."""
    return StoredPart(
        part_id=row["id"],
        number=row["number"],
        start_ms=to_ms(row["start_time"]),
        end_ms=to_ms(row["end_time"]),
        object_key=row["object_key"],
        facts=facts_of(row) if row["state"] == "done" else None,
        error=GapCause(row["error"] or GapCause.WRITER_FAILED) if row["state"] == "gap" else None,
    )


def form_of_row(row: Mapping[str, Any]) -> ClipForm | None:
    """Returns a segment's form; None before its first part."""
    if row["width"] is None or row["height"] is None:
        return None
    across, _, down = (row["pixel_aspect"] or "1:1").partition(":")
    return ClipForm(row["width"], row["height"], row["encoder"] or "", (int(across), int(down)))
