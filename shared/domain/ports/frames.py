"""The rolling buffer of every camera, and who fills it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.media import Frame, FrameMark


@dataclass(frozen=True, slots=True)
class Bounds:
    """Oldest and newest capture time in a camera's buffer, milliseconds."""

    oldest_ms: int
    newest_ms: int


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """How far back a camera's buffer reaches: normally `keep_ms`, with holds up to `cap_ms`, never
    over `max_bytes`.
    """

    keep_ms: int
    cap_ms: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one frame: stored, or refused because the buffer holds a newer one (another
    owner wrote it). shed: how many older frames were dropped because the server was at its memory
    limit. waits: its server does not answer while others do; the frame may be tried again.
    """

    frame: Frame
    stored: bool
    shed: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Buffered:
    """What a process has stored of a camera and the buffer still has."""

    newest_ms: int
    seconds: float
    bytes: int


class BoundsByCamera(dict[str, Bounds]):
    """Bounds of the cameras that have frames; `away`: those whose server does not answer while
    others do.
    """

    def __init__(self, found: Mapping[str, Bounds] | None = None) -> None:
        super().__init__(found or {})
        self.away: set[str] = set()


class FrameBuffer(Protocol):
    """The rolling buffer of every camera, shared by all processes. Raises Retryable while its
    server is away.
    """

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        """Store frames in order. Trims each camera's buffer to its limits and holds."""

    def buffered(self, camera_id: str) -> Buffered | None:
        """Returns what this process has stored, as it remembers it; None before the first frame."""

    def bounds(self, camera_ids: Sequence[str]) -> BoundsByCamera:
        """Returns the bounds of the cameras that have frames.

        Raises Retryable when none of their servers answers.
        """

    def hold_then_bounds(self, holds: Mapping[str, Mapping[str, int]]) -> BoundsByCamera:
        """Set holds by camera (see `Holds`), then look at the bounds of these cameras, in one
        exchange. A camera of `away` has no hold. Raises Retryable when none of their servers
        answers.
        """

    def newest(self, camera_id: str) -> Frame | None:
        """Returns the newest frame, or None."""

    def read(self, camera_id: str, start_ms: int, end_ms: int) -> Iterator[Frame]:
        """Yields the frames of [start, end) in order, fetched in pages of a few."""

    def mark_before(self, camera_id: str, ms: int) -> FrameMark | None:
        """Returns the mark of the last frame before `ms` that is still there, or None."""

    def mark_after(self, camera_id: str, ms: int) -> FrameMark | None:
        """Returns the mark of the first frame at or after `ms`, or None."""

    def server_ms(self, camera_id: str) -> int:
        """Returns the wall time of the camera's buffer server."""


class PacketBuffer(FrameBuffer, Protocol):
    """The buffer of cameras that are copied."""

    def keyframe_before(self, camera_id: str, ms: int) -> int | None:
        """Returns the capture time of the last keyframe that is shown at `ms` or before, or
        None.
        """


@dataclass(frozen=True, slots=True)
class HandOver:
    """segments: new holders and the oldest capture time they need. holders: those that go."""

    segments: Mapping[str, int]
    holders: Collection[str]


class Holds(Protocol):
    """Promises that a camera's buffer keeps frames from a time on."""

    def hold(self, camera_id: str, holds: Mapping[str, int]) -> None:
        """Set holds: holder -> oldest needed capture time."""

    def hold_all(self, holds: Mapping[str, Mapping[str, int]]) -> set[str]:
        """Set holds by camera. Returns the cameras that have theirs.

        Raises Retryable when none of their servers answers.
        """

    def hand_over(self, changes: Mapping[str, HandOver]) -> dict[str, bool]:
        """Give segments the holds of the detections that they record, by camera. A segment's own
        hold stays as it is.

        Returns whether a segment had no hold yet, for each camera whose server answers. Raises
        Retryable when none does.
        """

    def release(self, camera_id: str, holders: Iterable[str]) -> None:
        """Remove holds. Unknown holders are ignored."""

    def holds(self, camera_id: str) -> dict[str, int]:
        """Returns all holds of a camera."""


class Parking(Protocol):
    """Where encoded parts wait while storage refuses them: a budget of bytes per camera, and an
    expiry.
    """

    def park(self, camera_id: str, part_id: str, data: bytes, budget_bytes: int) -> bool:
        """Keep a part's packets. Returns False when the camera's budget is used up."""

    def parked(self, camera_id: str, part_id: str) -> bytes | None:
        """Returns a part's packets, None when they are not there."""

    def parked_parts(self, camera_id: str) -> list[str]:
        """Returns the ids of the parts that wait."""

    def unpark(self, camera_id: str, part_ids: Iterable[str]) -> None:
        """Delete packets that need not wait any more. Unknown parts are ignored."""


class CameraLeases(Protocol):
    """Which capture process owns a camera. Seconds are of the lease server's clock."""

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        """Take a free lease, or renew one's own. Returns False when another process has it."""

    def renew(self, camera_ids: Sequence[str], owner: str, ttl_s: float) -> dict[str, bool]:
        """As `acquire`, for many at once. A camera whose server, of several, does not answer has no
        entry.
        """

    def release(self, camera_id: str, owner: str) -> None:
        """Give a lease up if it is still one's own."""

    def enrol(self, owner: str, ttl_s: float) -> int:
        """Say that this capture process lives. Returns how many live."""

    def resign(self, owner: str) -> None:
        """Say that this capture process is leaving."""


class CameraStates(Protocol):
    """What capture reports of its cameras."""

    def report(self, camera_id: str, state: Mapping[str, str | int | float]) -> None:
        """Overwrite the given fields."""

    def report_all(self, states: Mapping[str, Mapping[str, str | int | float]]) -> None:
        """As `report`, for many at once. Those whose server, of several, does not answer are left
        out.
        """

    def state(self, camera_id: str) -> dict[str, str]:
        """Returns all fields; empty for a camera that nobody captures."""

    def states_of(self, camera_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """As `state`, for many at once. A camera whose server, of several, does not answer has no
        entry.
        """

    def look_at(self, camera_id: str, for_s: float) -> None:
        """Say that somebody wants pictures of a camera for some seconds."""

    def looked_at(self, camera_ids: Sequence[str]) -> set[str]:
        """Returns the cameras that somebody wants pictures of; one whose server, of several, does
        not answer is none of them.
        """
