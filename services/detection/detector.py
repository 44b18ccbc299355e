"""A detector that works on pictures alone: `process_frame` as the original design has it."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detection.finder import find_plates
from services.detection.reader import PlateReader

Image = NDArray[np.uint8]
FOUND_CONFIDENCE, READ_CONFIDENCE = 0.55, 0.3
EDGE = 4


class Detector(Protocol):
    """Finds plates in a picture."""

    def process_frame(self, frame: Image) -> tuple[Image, list[dict[str, Any]]]:
        """Returns the frame with its plates marked, and a detection per plate: confidence, plate
        (or None), bbox.
        """


class TemplateDetector:
    """The reference detector: rectangles with text, read by glyph templates."""

    def __init__(self) -> None:
        self._reader = PlateReader()

    def process_frame(self, frame: Image) -> tuple[Image, list[dict[str, Any]]]:
        """frame: BGR, uint8, shape (height, width, 3). The frame itself is not changed."""
        annotated = frame.copy()
        detections: list[dict[str, Any]] = []
        for box in find_plates(frame):
            whole = box.x > EDGE and box.x + box.width < frame.shape[1] - EDGE
            crop = frame[box.y : box.y + box.height, box.x : box.x + box.width]
            text, fit = self._reader.read(crop) if whole else (None, 0.0)
            confidence = (
                FOUND_CONFIDENCE
                if text is None
                else min(0.99, FOUND_CONFIDENCE + READ_CONFIDENCE + fit / 10)
            )
            detections.append(
                {
                    "confidence": confidence,
                    "plate": text,
                    "bbox": [box.x, box.y, box.width, box.height],
                }
            )
            cv2.rectangle(
                annotated, (box.x, box.y), (box.x + box.width, box.y + box.height), (0, 200, 0), 2
            )
            label = f"{text or '?'} {confidence:.2f}"
            cv2.putText(
                annotated,
                label,
                (box.x, box.y - 6),
                cv2.FONT_HERSHEY_SIMPLEX,
                fontScale=0.6,
                color=(0, 200, 0),
                thickness=2,
            )
        return annotated, detections


class LibraryDetector:
    """A real plate reader, from the extra `alpr` (fast-alpr), where it is installed with its
    models.
    """

    def __init__(self) -> None:
        from fast_alpr import ALPR  # noqa: PLC0415 - an optional dependency

        self._alpr = ALPR()

    def process_frame(self, frame: Image) -> tuple[Image, list[dict[str, Any]]]:
        detections = []
        for result in self._alpr.predict(frame):
            box = result.detection.bounding_box
            detections.append(
                {
                    "confidence": float(result.detection.confidence),
                    "plate": None if result.ocr is None else result.ocr.text,
                    "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
                }
            )
        return self._alpr.draw_predictions(frame.copy()), detections
