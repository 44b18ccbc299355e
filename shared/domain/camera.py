"""What capture says of a camera."""

from __future__ import annotations

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
