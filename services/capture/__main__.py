"""The capture process."""

from __future__ import annotations

import cv2

from services.capture.wiring import build, check_frames_redis
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_event
from shared.runtime.startup import when_ready


def main(settings: Settings) -> None:
    """Run until told to stop. Waits for the frames Redis, and refuses one that would lose
    frames.
    """
    cv2.setNumThreads(1)
    stopping = stop_event()
    if when_ready(lambda: check_frames_redis(settings), stopping):
        build(settings).run(stopping)
