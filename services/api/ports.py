"""What the API needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.api.attempts import Attempts
from services.api.keys import KeyRing
from shared.domain.ports import (
    Access,
    CameraStates,
    Clock,
    Counters,
    Detections,
    DetectionStream,
    FrameBuffer,
    Jobs,
    Keeping,
    ObjectStore,
    Video,
    Videos,
)
from shared.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ApiPorts:
    """Ports, settings and readiness checks (name -> a call that raises when that server cannot be used)."""

    videos: Videos
    keeping: Keeping
    counters: Counters
    detections: Detections
    stream: DetectionStream
    frames: FrameBuffer
    states: CameraStates
    store: ObjectStore
    video: Video
    jobs: Jobs
    clock: Clock
    settings: Settings
    access: Access
    keys: KeyRing
    attempts: Attempts
    checks: Mapping[str, Callable[[], object]]
