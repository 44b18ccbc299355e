"""Platereel keeps the footage around every licence-plate detection.

The Python doorway: `from platereel import VideoRecordingService, VideoRecorder`; `ApiClient` talks
to the HTTP API.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.client.api import ApiClient, ApiError
    from shared.client.recorder import VideoRecorder
    from shared.client.service import VideoRecordingService

__all__ = ["ApiClient", "ApiError", "VideoRecorder", "VideoRecordingService"]

_HOMES = {
    "ApiClient": "shared.client.api",
    "ApiError": "shared.client.api",
    "VideoRecorder": "shared.client.recorder",
    "VideoRecordingService": "shared.client.service",
}


def __getattr__(name: str) -> object:
    """Load the doorway when it is asked for: commands and processes start without it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(_HOMES[name]), name)
