"""Frames and detections, the two things that enter the system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PacketMark:
    """What is known of a coded packet. keyframe: whether decoding can begin with it.

    shown_ms: when its picture is shown, milliseconds since 1970. parameters: its codec and a hash
    of the parameter sets it needs, as `h264:1f2e3d4c`.
    """

    keyframe: bool
    shown_ms: int
    parameters: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a camera: a JPEG picture or, with `packet`, a packet of the camera's own H.264
    or H.265.

    captured_ms: capture time, milliseconds since 1970 UTC; strictly increasing per camera, packets
    in decoding order. counter: the frame's number within its capture run; a hole is a frame that
    was lost on the way. run_id: the capture run; counters of two runs cannot be compared.
    """

    camera_id: str
    captured_ms: int
    data: bytes
    counter: int
    run_id: str
    packet: PacketMark | None = None

    @property
    def mark(self) -> FrameMark:
        """What gap accounting needs of the frame, without the picture."""
        return FrameMark(self.captured_ms, self.counter, self.run_id)


@dataclass(frozen=True, slots=True)
class FrameMark:
    """Time and number of a frame."""

    captured_ms: int
    counter: int
    run_id: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the frame."""

    x: int
    y: int
    width: int
    height: int

    def overlap(self, other: Box) -> float:
        """Returns intersection over union, 0 to 1."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared = max(0, across) * max(0, down)
        union = self.width * self.height + other.width * other.height - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Detection:
    """One report that a plate was seen. captured_ms is the frame's own time, not the arrival's."""

    detection_id: str
    camera_id: str
    captured_ms: int
    confidence: float
    plate: str | None = None
    bbox: Box | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
