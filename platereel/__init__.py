"""Platereel keeps the footage around every licence-plate detection.

The Python doorway: `from platereel import VideoRecordingService, VideoRecorder`.
"""

from __future__ import annotations

from shared.client.recorder import VideoRecorder
from shared.client.service import VideoRecordingService

__all__ = ["VideoRecorder", "VideoRecordingService"]
