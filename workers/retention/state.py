"""Where a cleanup stands between two steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.ports import Marked
from shared.domain.retention import Clip
from workers.retention.totals import Totals


@dataclass(slots=True)
class State:
    """A cleanup's phases and places: everything that the next step needs, in whatever process.

    allowed: how many clips it may archive, None without a limit. judged_bytes: by camera, the bytes
    judged expired so far. place: what is being judged, and its last judged clip. deleted_to: the
    last clip whose objects were sent to the store for deletion.
    """

    dry_run: bool
    totals: Totals = field(init=False)
    allowed: int | None = None
    would_archive: int = 0
    looked: bool = False
    marked: bool = False
    judged_bytes: Counter[str] = field(default_factory=Counter)
    place: tuple[str, Clip | None] | None = None
    deleted_to: Marked | None = None

    def __post_init__(self) -> None:
        self.totals = Totals(self.dry_run)

    def as_json(self) -> dict[str, Any]:
        """The job's cursor."""
        at, clip = self.place or (None, None)
        gone = self.deleted_to
        return {
            "totals": self.totals.as_json(),
            "allowed": self.allowed,
            "would_archive": self.would_archive,
            "looked": self.looked,
            "marked": self.marked,
            "judged_bytes": dict(self.judged_bytes),
            "at": at,
            "clip": None if clip is None else [str(clip.segment_id), clip.camera_id, clip.end_ms],
            "deleted_to": None
            if gone is None
            else [str(gone.segment_id), gone.marked_at.isoformat()],
        }

    @classmethod
    def from_json(cls, cursor: Mapping[str, Any]) -> State:
        """Returns the state that `as_json` gave, to go on with."""
        state = cls(cursor["totals"]["dry_run"])
        state.totals = Totals.from_json(cursor["totals"])
        state.allowed, state.would_archive = cursor["allowed"], cursor["would_archive"]
        state.looked, state.marked = cursor["looked"], cursor["marked"]
        state.judged_bytes = Counter(cursor["judged_bytes"])
        if cursor["at"] is not None:
            clip = cursor["clip"]
            last = (
                None if clip is None else Clip(UUID(clip[0]), clip[1], clip[2], 0, protected=False)
            )
            state.place = (cursor["at"], last)
        if cursor["deleted_to"] is not None:
            segment_id, marked_at = cursor["deleted_to"]
            state.deleted_to = Marked(UUID(segment_id), (), datetime.fromisoformat(marked_at))
        return state
