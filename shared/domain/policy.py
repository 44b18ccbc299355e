"""How a camera is recorded.

The policy is frozen into the segment's row when it opens; workers read no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, cast

from shared.domain.camera import Recorded
from shared.domain.codec import CODECS, Codec


class Record(StrEnum):
    """Which detections are recorded."""

    ALL = "all"  # all that are over the threshold and that no list ignores
    HITS = "hits"  # only those of vehicles whose plate is on a watch list


class Reads(StrEnum):
    """What becomes of detections that are no hit, where only hits are recorded."""

    KEEP = "keep"  # stored with the outcome `ignored`
    COUNT = "count"  # counted by camera and day, and not stored
    DROP = "drop"  # neither


# Of the hold cap, what the tail of a window and the writers' own time need.
HELD_BESIDE_SECONDS = 3.0
KEYFRAME_SECONDS = 2.0
# What an encoder does, and cannot be had where there is none.
ENCODER_NEEDED = ("scale", "quality", "bitrate", "keyframe_seconds")
_NOT_STORED = ("codec_before", "since_ms")


@dataclass(frozen=True, slots=True)
class RecordingPolicy:
    """Recording settings of one camera.

    Seconds are seconds; `quality` is a CRF (h264, hevc, av1) or a quantiser (mp4v), smaller is
    better; `bitrate` (bits a second) takes its place; `encoder` names a family of hardware
    encoders, `software`, or `auto`; `keyframe_seconds` is 2 where it is not set.
    """

    buffer_seconds: float = 5.0
    post_event_seconds: float = 15.0
    fps: float = 15.0
    capture_fps: float = 15.0
    min_confidence: float = 0.5
    max_segment_seconds: float = 300.0
    pass_gap_seconds: float = 10.0
    max_pass_seconds: float | None = 300.0
    record: Record = Record.ALL
    reads: Reads = Reads.KEEP
    part_seconds: float = 5.0
    trigger_slack_seconds: float = 10.0
    hold_cap_seconds: float = 60.0
    codec: Codec = Codec.H264
    encoder: str = "auto"
    preset: str = "superfast"
    quality: int | None = None
    bitrate: int | None = None
    keyframe_seconds: float | None = None
    scale: str | None = None
    color_range: str = "full"
    # of a camera whose connection decides: what it was recorded with until when; never in a row
    codec_before: Codec | None = None
    since_ms: int | None = None

    @property
    def copied(self) -> bool:
        """Whether clips are made of the camera's own packets."""
        return self.codec == Codec.COPY

    @property
    def border_ms(self) -> int | None:
        """When the camera's clips began to be made of something else; None where they did not."""
        return None if self.codec_before is None else self.since_ms

    def as_decided(self, recorded: Recorded) -> RecordingPolicy:
        """Returns the policy with what a camera's connection decided."""

        def codec(*, copied: bool) -> Codec:
            return Codec.COPY if copied else self.codec

        before = None if recorded.before is None else codec(copied=recorded.before)
        return replace(
            self,
            codec=codec(copied=recorded.copied),
            codec_before=before,
            since_ms=recorded.since_ms,
        )

    def at(self, ms: int) -> RecordingPolicy:
        """Returns how what was captured at a moment is recorded."""
        if self.since_ms is None:
            return self
        earlier = self.codec_before is not None and ms < self.since_ms
        codec = self.codec_before if earlier and self.codec_before is not None else self.codec
        return replace(self, codec=codec, codec_before=None, since_ms=None)

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

    @property
    def keyframe_ms(self) -> int | None:
        """How far keyframes of a part are apart at most, in milliseconds; None: it has one."""
        seconds = KEYFRAME_SECONDS if self.keyframe_seconds is None else self.keyframe_seconds
        return round(seconds * 1000) or None

    @property
    def pass_gap_ms(self) -> int:
        """How far two reads of one vehicle are apart at most, in milliseconds."""
        return round(self.pass_gap_seconds * 1000)

    @property
    def max_pass_ms(self) -> int | None:
        """How long a vehicle that stays is recorded, in milliseconds; None: always."""
        return None if self.max_pass_seconds is None else round(self.max_pass_seconds * 1000)

    @property
    def most_late_ms(self) -> int:
        """How long a window may wait for late detections; the frames of its last part are held
        meanwhile.
        """
        return max(
            0, round((self.hold_cap_seconds - self.part_seconds - HELD_BESIDE_SECONDS) * 1000)
        )

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Returns the size in pixels of a clip whose camera sends pictures of `width` x
        `height`.
        """
        if self.scale is None:
            return width, height
        if "x" in self.scale:
            across, down = self.scale.split("x")
            return int(across), int(down)
        return round(width * float(self.scale)), round(height * float(self.scale))

    def to_json(self) -> dict[str, Any]:
        """Returns the row's column `policy`."""
        stored = asdict(self)
        for name in _NOT_STORED:
            del stored[name]
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RecordingPolicy:
        """Returns the policy of a row. Unknown keys are ignored, missing ones take their default.

        A codec of a newer version keeps its name: only the parts of that row fail, and other rows
        can be read.
        """
        values = {k: v for k, v in stored.items() if k in _SETTINGS}
        if "codec" in values:
            values["codec"] = _codec(values["codec"])
        return cls(**values)


_SETTINGS = frozenset(each.name for each in fields(RecordingPolicy)).difference(_NOT_STORED)


def _codec(name: str) -> Codec:
    return Codec(name) if name in CODECS else cast("Codec", name)


def unfit(policy: RecordingPolicy) -> str | None:
    """Returns why the policy's codec cannot honour a setting, or None."""
    codec = policy.codec
    worst = CODECS[codec].worst_quality
    if policy.quality is not None and worst is not None and policy.quality > worst:
        return f"quality of {codec} is 1 to {worst}, not {policy.quality}"
    if CODECS[codec].keeps_source:
        asked = [name for name in ENCODER_NEEDED if getattr(policy, name) is not None]
        if asked:
            return f"{asked[0]} cannot be set with codec {codec}, which keeps what the camera sends"
    return None
