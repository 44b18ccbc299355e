"""What a writer needs of the world."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from shared.domain.ports import (
    CameraStates,
    Clock,
    FrameBuffer,
    ObjectStore,
    PacketBuffer,
    Parking,
    PictureRows,
    Video,
    WriterRows,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterPorts:
    """The writer's ports. frames: JPEGs. packets: of copied cameras.

    parking_bytes: how many bytes of a camera may wait while storage refuses. threads: for fetching,
    kept as long as the process. states: what capture says of cameras. stalled: called when a run's
    work stands still. work_dir: where clips are joined; None: the system's temporary folder.
    """

    frames: FrameBuffer
    packets: PacketBuffer
    parking: Parking
    parking_bytes: Callable[[str], int]
    store: ObjectStore
    rows: WriterRows
    pictures: PictureRows
    video: Video
    clock: Clock
    threads: Executor
    states: CameraStates
    stalled: Callable[[], None] = lambda: None
    work_dir: Path | None = None
