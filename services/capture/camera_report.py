"""What is known of one camera while it is captured."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.camera import CameraState, Recorded


@dataclass(slots=True)
class CameraReport:
    """What is known of a camera, for operators. Its thread writes it, the reporter reads it."""

    state: CameraState = CameraState.CONNECTING
    run: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0
    jpeg_bytes: float = 0.0
    packet_bytes: float = 0.0
    gop_ms: int = 0
    bad_frames: int = 0
    reconnects: int = 0
    last_ms: int = 0
    error: str = ""
    recorded: Recorded | None = None
