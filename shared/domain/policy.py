"""How a camera is recorded. Frozen into the segment's row when it opens; workers read no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

PART_SUFFIX = {"h264": "h264", "mp4v": "m4v"}


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """Recording settings of one camera; seconds are seconds, `quality` is a CRF (h264) or quantiser (mp4v)."""

    buffer_seconds: float = 5.0
    post_event_seconds: float = 15.0
    fps: float = 15.0
    capture_fps: float = 15.0
    min_confidence: float = 0.5
    max_segment_seconds: float = 300.0
    part_seconds: float = 5.0
    trigger_slack_seconds: float = 10.0
    codec: str = "h264"
    preset: str = "superfast"
    quality: int | None = None
    bitrate: int | None = None
    scale: str | None = None
    color_range: str = "full"

    @property
    def buffer_ms(self) -> int:
        """Pre-roll in milliseconds."""
        return round(self.buffer_seconds * 1000)

    @property
    def post_event_ms(self) -> int:
        """Post-roll in milliseconds."""
        return round(self.post_event_seconds * 1000)

    @property
    def max_segment_ms(self) -> int:
        """Longest window in milliseconds."""
        return round(self.max_segment_seconds * 1000)

    @property
    def part_ms(self) -> int:
        """Length of a full part in milliseconds."""
        return round(self.part_seconds * 1000)

    def to_json(self) -> dict[str, Any]:
        """The row's `policy` column."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RecordingPolicy:
        """Read a row's policy; keys of a newer version are ignored, missing ones take their default."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in stored.items() if k in known})
