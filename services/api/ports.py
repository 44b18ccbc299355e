"""What the API needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.api.auth.attempts import Attempts
from services.api.auth.keys import KeyRing
from services.api.looks import Looks
from services.api.media.camera_pictures import CameraPictures
from services.api.media.copies import Copying
from services.api.media.event_bell import EventBell
from services.api.media.pass_pictures import PassPictures
from services.api.media.streams import CameraWatch, Viewers
from shared.domain.ports import (
    AccessRows,
    CameraNewsRows,
    CameraStates,
    Clock,
    CounterRows,
    DetectionRows,
    DetectionStream,
    EventFeed,
    FrameBuffer,
    HealthRows,
    InvitationRows,
    JobRows,
    MadeCameraRows,
    ObjectStore,
    PassRows,
    PlateListRows,
    PlateRecordRows,
    RetentionRows,
    SegmentRows,
    ShareRows,
    Signer,
    TimelineRows,
    Video,
)
from shared.runtime.dependencies import Servers
from shared.runtime.live_cameras import LiveCameras
from shared.runtime.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPorts:
    """Ports, settings and readiness checks (name -> a call that raises when that server cannot be
    used). `video` loads its libraries at the first call: most of these processes never play
    anything. server_clocks, versions: see `Deployment`.
    """

    segments: SegmentRows
    retention: RetentionRows
    counters: CounterRows
    detections: DetectionRows
    passes: PassRows
    timeline: TimelineRows
    pass_pictures: PassPictures
    lists: PlateListRows
    records: PlateRecordRows
    stream: DetectionStream
    buffers: FrameBuffer
    pictures: CameraPictures
    states: CameraStates
    news: CameraNewsRows
    health: HealthRows
    store: ObjectStore
    video: Callable[[], Video]
    jobs: JobRows
    feed: EventFeed
    clock: Clock
    settings: Settings
    access: AccessRows
    invitations: InvitationRows
    shares: ShareRows
    keys: KeyRing
    attempts: Attempts
    signer: Signer
    deployment_id: UUID
    watch: CameraWatch
    bell: EventBell
    viewers: Viewers
    looks: Looks
    copying: Copying
    server_clocks: Callable[[str], Mapping[str, Callable[[], int]]]
    servers: Servers
    made: MadeCameraRows
    cameras: LiveCameras
