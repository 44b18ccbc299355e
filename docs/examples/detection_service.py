"""A detection service that records: frames in, plates found, clips kept.

Run `platereel up` with a camera `mine: {source: "push:", detect: false}`, then:
    python docs/examples/detection_service.py --data data --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from platereel import VideoRecordingService
from platereel.cli.context import deployment
from services.capture.sources.synthetic import SyntheticSource
from services.detection.detector import TemplateDetector
from shared.adapters.clock import SystemClock
from shared.adapters.video.jpeg import decode_bgr
from shared.client.wiring import repositories

THRESHOLD = 0.5


def camera(seconds: float) -> Iterator[NDArray[np.uint8]]:
    """Stands in for yours: a synthetic street, 15 pictures a second, BGR."""
    for picture in SyntheticSource(
        f"synthetic:?size=640x360&first=6&frames={int(seconds * 15)}", SystemClock()
    ).pictures():
        yield decode_bgr(picture.jpeg())


async def main(config: Path | None, data: Path, seconds: float) -> None:
    """Look at every picture; record around what is found."""
    settings = deployment(config, data)
    detections_rows, videos = repositories(settings)
    service = VideoRecordingService(detections_rows, videos, settings=settings)
    detector = TemplateDetector()
    try:
        for frame in camera(seconds):
            await service.add_frame(frame, time.time())  # noqa: TID251 - an application has a clock of its own
            _, detections = detector.process_frame(frame)
            best = max(detections, key=lambda d: d["confidence"], default=None)
            if best is not None and best["confidence"] > THRESHOLD:
                await service.trigger_recording(
                    str(uuid4()),
                    confidence=best["confidence"],
                    plate=best["plate"],
                    bbox=best["bbox"],
                )
    finally:
        await service.close()
        videos.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A detection service that records.")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.config, arguments.data, arguments.seconds))
