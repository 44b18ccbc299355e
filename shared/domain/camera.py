"""What capture says of a camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class CameraState(StrEnum):
    """How a camera is. Only `connected` means that all is well."""

    UNKNOWN = "unknown"  # no capture process has said anything, or its server does not answer
    CONNECTING = "connecting"  # its source is being opened
    CONNECTED = "connected"  # it delivers
    IMPAIRED = "impaired"  # it delivers, and something is wrong with what it delivers
    STALLED = "stalled"  # it is connected, and has delivered nothing for a while
    DISCONNECTED = "disconnected"  # it cannot be reached, or capture was stopped
    MISCONFIGURED = "misconfigured"  # its source cannot be used as it is configured
    CLOCK_BEHIND = "clock_behind"  # the host's clock went back: frames wait until it has caught up
    CLOCK_AHEAD = "clock_ahead"  # frames are dated more than a minute ahead of the frames server

    @classmethod
    def _missing_(cls, value: object) -> CameraState:
        """What a capture process of a newer version says and this one does not know."""
        return cls.UNKNOWN


class DropCause(StrEnum):
    """Why a frame was lost before the buffer."""

    OUTBOX_FULL = "outbox_full"  # the frames Redis did not take frames for longer than the outbox
    NOT_WRITTEN = "not_written"  # the frames Redis refused them for another reason
    NOT_NEWEST = "not_newest"  # the buffer has newer ones, of another capture process
    CLOCK_AHEAD = "clock_ahead"  # dated more than a minute ahead of the frames Redis
    CLOCK_BEHIND = "clock_behind"  # the host's clock went back
    BURST = "burst"  # it came in a burst after a pause of more than two seconds
    BAD_FRAME = "bad_frame"  # a picture that was damaged on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a camera's clips are made of, as its connection decided.

    copied: its own packets, else its JPEGs. since_ms: capture time of the first frame for which
    that is so. before: what it was until then; None where nobody knows. why: what speaks against
    copying, where the setting would allow it.
    """

    copied: bool
    since_ms: int
    before: bool | None = None
    why: str = ""

    def then(self, *, copied: bool, at_ms: int, why: str) -> Recorded:
        """Returns what is so from a connection on whose first frame is of at_ms."""
        if copied == self.copied:
            return replace(self, why=why)
        return Recorded(copied=copied, since_ms=at_ms, before=self.copied, why=why)

    def copied_at(self, ms: int) -> bool:
        """Returns whether what was captured at a moment is in the buffer of packets."""
        return self.copied if ms >= self.since_ms or self.before is None else self.before

    def to_state(self) -> dict[str, str | int]:
        """Returns the fields of a camera's state."""
        before = "" if self.before is None else int(self.before)
        return {
            "copied": int(self.copied),
            "copied_since_ms": self.since_ms,
            "copied_before": before,
            "copied_why": self.why,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, str]) -> Recorded | None:
        """Returns what the fields of a camera's state say; None where they say nothing."""
        since, before = state.get("copied_since_ms", ""), state.get("copied_before", "")
        if not since.isdecimal():
            return None
        return cls(
            copied=state.get("copied") == "1",
            since_ms=int(since),
            before=None if before not in {"0", "1"} else before == "1",
            why=state.get("copied_why", ""),
        )


# a camera in one of these delivers usable pictures
UP = frozenset({CameraState.CONNECTED, CameraState.IMPAIRED})
_CAUSES = {
    CameraState.UNKNOWN: "no process captures it",
    CameraState.CONNECTING: "its source is being opened",
    CameraState.STALLED: "it delivers no usable picture",
    CameraState.DISCONNECTED: "its source was lost",
    CameraState.MISCONFIGURED: "its source cannot be used as it is configured",
    CameraState.CLOCK_BEHIND: "the clock of its host went back",
    CameraState.CLOCK_AHEAD: "the clock of its host is ahead",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraNews:
    """That a camera is down, or up again; since_ms: when that was first seen. cause: why it is
    down, empty while it is up.
    """

    camera_id: str
    down: bool
    state: CameraState
    cause: str
    since_ms: int


def cause_of(state: CameraState, error: str) -> str:
    """Returns why a camera is down: capture's own words where it has some."""
    return "" if state in UP else error or _CAUSES[state]
