"""What the use cases ask of the world: a file a use case. An adapter per vendor answers it.

The tests have in-memory twins of frames, holds, parking, objects and the clock. For the first four,
one contract suite holds the twin and the adapters to the same behaviour. Rows have no twin: every
test of them runs on Postgres.
"""

from __future__ import annotations

from shared.domain.ports.access import AccessRows, Signer, Tokens
from shared.domain.ports.backup import BackedUpTable, BackupRows, Load, LoadedTable, Snapshot
from shared.domain.ports.cameras import CameraNewsRows
from shared.domain.ports.clock import Clock
from shared.domain.ports.consistency import (
    ConsistencyRows,
    Expectation,
    FinishedClip,
    ReadyClip,
    ReadyStrip,
)
from shared.domain.ports.counters import CounterRows
from shared.domain.ports.detections import (
    Accepted,
    CameraBatch,
    DetectionChannel,
    DetectionDelivery,
    DetectionRows,
    DetectionStream,
    EventFeed,
    EventSink,
    PendingMark,
    PendingPage,
    TaskQueue,
)
from shared.domain.ports.frames import (
    Appended,
    Bounds,
    BoundsByCamera,
    Buffered,
    BufferLimits,
    CameraLeases,
    CameraStates,
    FrameBuffer,
    HandOver,
    Holds,
    PacketBuffer,
    Parking,
)
from shared.domain.ports.health import HealthRows, SurveyRows
from shared.domain.ports.invitations import InvitationRows
from shared.domain.ports.jobs import JobRows, Progress
from shared.domain.ports.made_cameras import MadeCameraRows, MadeCamerasTold
from shared.domain.ports.mqtt import Message, MessageBroker
from shared.domain.ports.objects import Allowed, ObjectStore, StoredObject, StoreSpace
from shared.domain.ports.offers import Offer, OfferRows
from shared.domain.ports.pacer import LiveSegment, PacerRows
from shared.domain.ports.passes import (
    DetectionFilter,
    OpenPass,
    PassFilter,
    PassRows,
    ReadOrder,
)
from shared.domain.ports.pictures import PictureRows
from shared.domain.ports.plate_lists import (
    EntryPage,
    Imported,
    Overlap,
    PlateListChanges,
    PlateListRows,
    Seen,
    SeenPass,
)
from shared.domain.ports.plate_records import Erasure, PlateRecordRows, RefusedClip
from shared.domain.ports.retention import Marked, RetentionRows
from shared.domain.ports.segments import (
    Order,
    Page,
    SegmentFilter,
    SegmentRows,
    StoredClip,
    Streamed,
)
from shared.domain.ports.shares import ShareRows
from shared.domain.ports.timeline import TimelineRows
from shared.domain.ports.video import PartCopying, PartEncoding, Video
from shared.domain.ports.webhooks import WebhookDelivery, WebhookRows, WebhookSender
from shared.domain.ports.writer import ClipFacts, FinaliseRun, PartRun, WriterRows

__all__ = [
    "Accepted",
    "AccessRows",
    "Allowed",
    "Appended",
    "BackedUpTable",
    "BackupRows",
    "Bounds",
    "BoundsByCamera",
    "BufferLimits",
    "Buffered",
    "CameraBatch",
    "CameraLeases",
    "CameraNewsRows",
    "CameraStates",
    "ClipFacts",
    "Clock",
    "ConsistencyRows",
    "CounterRows",
    "DetectionChannel",
    "DetectionDelivery",
    "DetectionFilter",
    "DetectionRows",
    "DetectionStream",
    "EntryPage",
    "Erasure",
    "EventFeed",
    "EventSink",
    "Expectation",
    "FinaliseRun",
    "FinishedClip",
    "FrameBuffer",
    "HandOver",
    "HealthRows",
    "Holds",
    "Imported",
    "InvitationRows",
    "JobRows",
    "LiveSegment",
    "Load",
    "LoadedTable",
    "MadeCameraRows",
    "MadeCamerasTold",
    "Marked",
    "Message",
    "MessageBroker",
    "ObjectStore",
    "Offer",
    "OfferRows",
    "OpenPass",
    "Order",
    "Overlap",
    "PacerRows",
    "PacketBuffer",
    "Page",
    "Parking",
    "PartCopying",
    "PartEncoding",
    "PartRun",
    "PassFilter",
    "PassRows",
    "PendingMark",
    "PendingPage",
    "PictureRows",
    "PlateListChanges",
    "PlateListRows",
    "PlateRecordRows",
    "Progress",
    "ReadOrder",
    "ReadyClip",
    "ReadyStrip",
    "RefusedClip",
    "RetentionRows",
    "Seen",
    "SeenPass",
    "SegmentFilter",
    "SegmentRows",
    "ShareRows",
    "Signer",
    "Snapshot",
    "StoreSpace",
    "StoredClip",
    "StoredObject",
    "Streamed",
    "SurveyRows",
    "TaskQueue",
    "TimelineRows",
    "Tokens",
    "Video",
    "WebhookDelivery",
    "WebhookRows",
    "WebhookSender",
    "WriterRows",
]
