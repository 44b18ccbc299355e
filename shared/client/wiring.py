"""Builds what the doorway needs of the world."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.detections import RedisDetections
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.adapters.video.av_video import AvVideo
from shared.adapters.video.jpeg import encode_jpeg
from shared.domain.errors import BadInput
from shared.domain.ports import CameraLeases, CameraStates, Clock, DetectionStream, FrameBuffer, JobRows, Video
from shared.runtime.addresses import addresses
from shared.runtime.configuration import CONFIG_VARIABLE, load
from shared.runtime.settings import Settings
from shared.wire.frames import check_jpeg, whole_jpeg
from shared.wire.keys import Keys

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
    database: Database
    owner: str


def default_settings() -> Settings:
    """Settings of the environment: the file that PLATEREEL_CONFIG names, and PLATEREEL_* variables."""
    path = os.environ.get(CONFIG_VARIABLE)
    return load(None if path is None else Path(path))


def connect(settings: Settings) -> Doorway:
    """Open the doorway's clients."""
    urls = addresses(settings)
    clock = SystemClock()
    keys = Keys(settings.redis_prefix, settings.detections_name)
    frames_servers = frame_servers(urls.frames, name="platereel-client")
    broker = redis_client(urls.broker, name="platereel-client")
    database = Database(urls.database, max_size=2, name="platereel-client")
    database.open()
    owner = f"push:{socket.gethostname()}:{os.getpid()}"
    cameras = RedisCameras(frames_servers, keys)
    return Doorway(
        frames=RedisFrames(frames_servers, keys),
        leases=cameras,
        states=cameras,
        stream=RedisDetections(broker, keys, owner, clock),
        jobs=PostgresJobRows(database),
        clock=clock,
        database=database,
        owner=owner,
    )


def repositories(settings: Settings | None = None) -> tuple[DetectionRepository, VideoRepository]:
    """The two repositories that VideoRecordingService takes, over one pool."""
    database = Database(addresses(settings or default_settings()).database, max_size=2, name="platereel-client")
    database.open()
    return DetectionRepository(database), VideoRepository(database)


def video() -> Video:
    """The encoder and joiner."""
    return AvVideo()


def system_clock() -> Clock:
    """The real clock."""
    return SystemClock()


def jpeg_of(frame: NDArray[np.uint8] | bytes, quality: int) -> bytes:
    """JPEG of a frame: BGR uint8 (height, width, 3), or JPEG bytes that are checked; BadInput otherwise."""
    if isinstance(frame, bytes | bytearray | memoryview):
        check_jpeg(bytes(frame))
        return whole_jpeg(bytes(frame))
    if not isinstance(frame, np.ndarray):
        raise BadInput("frame", f"a BGR array or JPEG bytes, not {type(frame).__name__}")
    if frame.dtype != np.uint8 or frame.ndim != _COLOURS or frame.shape[2] != _COLOURS or 0 in frame.shape:
        raise BadInput("frame", f"uint8 of shape (height, width, 3) is wanted, not {frame.dtype} {frame.shape}")
    jpeg = encode_jpeg(frame, quality)
    check_jpeg(jpeg)  # the writers refuse a picture of a size that is no camera's
    return jpeg
