"""Platereel keeps the footage around every licence-plate detection.

The Python doorway: `from platereel import VideoRecordingService, VideoRecorder`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.client.recorder import VideoRecorder
    from shared.client.service import VideoRecordingService

__all__ = ["VideoRecorder", "VideoRecordingService"]

_HOMES = {"VideoRecorder": "shared.client.recorder", "VideoRecordingService": "shared.client.service"}


def __getattr__(name: str) -> object:
    """Load the doorway when it is asked for: commands and processes start without it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(_HOMES[name]), name)
