"""Builds what the doorway needs of the world."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import numpy as np
from numpy.typing import NDArray

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.video.av_video import AvVideo
from shared.adapters.video.jpeg import encode_jpeg
from shared.deployment import Deployment
from shared.domain.errors import BadInput
from shared.domain.ports import (
    CameraLeases,
    CameraStates,
    Clock,
    DetectionStream,
    FrameBuffer,
    JobRows,
    Video,
)
from shared.runtime.configuration import CONFIG_VARIABLE, load
from shared.runtime.settings import Settings
from shared.wire.frames import check_jpeg, whole_jpeg

_NAME = "platereel-client"
_COLOURS = 3

# The original design's names of what VideoRecordingService is given.
DetectionRepository = PostgresDetectionRows
VideoRepository = PostgresSegmentRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorway:
    """What VideoRecordingService uses besides the repositories it is given."""

    frames: FrameBuffer
    leases: CameraLeases
    states: CameraStates
    stream: DetectionStream
    jobs: JobRows
    clock: Clock
    close: Callable[[], None]
    owner: str


def default_settings() -> Settings:
    """Settings of the environment: the file that PLATEREEL_CONFIG names, and PLATEREEL_*
    variables.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    return load(None if path is None else Path(path))


def connect(settings: Settings) -> Doorway:
    """Open the doorway's clients."""
    deployment = Deployment(settings, _NAME)
    owner = f"push:{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
    with deployment.kept():
        return Doorway(
            frames=deployment.frames,
            leases=deployment.cameras,
            states=deployment.cameras,
            stream=deployment.stream(owner),
            jobs=PostgresJobRows(deployment.database),
            clock=deployment.clock,
            close=deployment.close,
            owner=owner,
        )


def repositories(settings: Settings | None = None) -> tuple[DetectionRepository, VideoRepository]:
    """The two repositories that VideoRecordingService takes, over one pool."""
    database = Deployment(settings or default_settings(), _NAME).database
    return DetectionRepository(database), VideoRepository(database)


def video() -> Video:
    """The encoder and joiner."""
    return AvVideo()


def system_clock() -> Clock:
    """The real clock."""
    return SystemClock()


def jpeg_of(frame: NDArray[np.uint8] | bytes, quality: int) -> bytes:
    """JPEG of a frame: BGR uint8 (height, width, 3), or JPEG bytes that are checked; BadInput
    otherwise.
    """
    if isinstance(frame, bytes | bytearray | memoryview):
        check_jpeg(bytes(frame))
        return whole_jpeg(bytes(frame))
    if not isinstance(frame, np.ndarray):
        raise BadInput("frame", f"a BGR array or JPEG bytes, not {type(frame).__name__}")
    if (
        frame.dtype != np.uint8
        or frame.ndim != _COLOURS
        or frame.shape[2] != _COLOURS
        or 0 in frame.shape
    ):
        raise BadInput(
            "frame", f"uint8 of shape (height, width, 3) is wanted, not {frame.dtype} {frame.shape}"
        )
    jpeg = encode_jpeg(frame, quality)
    check_jpeg(jpeg)  # the writers refuse a picture of a size that is no camera's
    return jpeg
