"""The detection process."""

from __future__ import annotations

import cv2

from services.detection.wiring import build
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_event


def main(settings: Settings) -> None:
    """Run until told to stop."""
    cv2.setNumThreads(1)
    build(settings).run(stop_event())
