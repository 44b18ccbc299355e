"""What the API needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.api.attempts import Attempts
from services.api.keys import KeyRing
from services.api.live import CameraWatch, Viewers
from services.api.looks import Looks
from shared.domain.ports import (
    Access,
    CameraStates,
    Clock,
    Counters,
    Detections,
    DetectionStream,
    EventFeed,
    FrameBuffer,
    Jobs,
    Keeping,
    ObjectStore,
    Signer,
    Video,
    Videos,
)
from shared.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ApiPorts:
    """Ports, settings and readiness checks (name -> a call that raises when that server cannot be used).

    `video` loads its libraries when it is first called: most of these processes never play anything.
    """

    videos: Videos
    keeping: Keeping
    counters: Counters
    detections: Detections
    stream: DetectionStream
    frames: FrameBuffer
    states: CameraStates
    store: ObjectStore
    video: Callable[[], Video]
    jobs: Jobs
    feed: EventFeed
    clock: Clock
    settings: Settings
    access: Access
    keys: KeyRing
    attempts: Attempts
    signer: Signer
    deployment_id: UUID
    watch: CameraWatch
    viewers: Viewers
    looks: Looks
    checks: Mapping[str, Callable[[], object]]
