"""What the use cases ask of the world: a file a use case. An adapter per vendor answers it.

The tests have in-memory twins of frames, holds, parking, objects and the clock. For the first four,
one contract suite holds the twin and the adapters to the same behaviour. Rows have no twin: every
test of them runs on Postgres.
"""

from __future__ import annotations

from shared.domain.ports.access import AccessRows, Signer, Tokens
from shared.domain.ports.cameras import CameraNewsRows
from shared.domain.ports.clock import Clock
from shared.domain.ports.consistency import ConsistencyRows, Expectation, FinishedClip, ReadyClip
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
    BufferLimits,
    CameraLeases,
    CameraStates,
    FrameBuffer,
    HandOver,
    Holds,
    PacketBuffer,
    Parking,
)
from shared.domain.ports.jobs import JobRows, Progress
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
from shared.domain.ports.video import PartCopying, PartEncoding, Video
from shared.domain.ports.webhooks import WebhookDelivery, WebhookRows, WebhookSender
from shared.domain.ports.writer import ClipFacts, FinaliseRun, PartRun, WriterRows

__all__ = [
    "Accepted",
    "AccessRows",
    "Allowed",
    "Appended",
    "Bounds",
    "BoundsByCamera",
    "BufferLimits",
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
    "Holds",
    "Imported",
    "JobRows",
    "LiveSegment",
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
    "RefusedClip",
    "RetentionRows",
    "Seen",
    "SeenPass",
    "SegmentFilter",
    "SegmentRows",
    "Signer",
    "StoreSpace",
    "StoredClip",
    "StoredObject",
    "Streamed",
    "TaskQueue",
    "Tokens",
    "Video",
    "WebhookDelivery",
    "WebhookRows",
    "WebhookSender",
    "WriterRows",
]
