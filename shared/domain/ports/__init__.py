"""What the use cases ask of the world. One adapter per vendor; the contract suite holds each to the same behaviour."""

from __future__ import annotations

from shared.domain.ports.access import Access, Signer, Tokens
from shared.domain.ports.clock import Clock
from shared.domain.ports.detections import (
    Accepted,
    Delivery,
    DetectionChannel,
    Detections,
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
    Holds,
    PacketBuffer,
    Parking,
)
from shared.domain.ports.hooks import Deliveries, Poster
from shared.domain.ports.hooks import Delivery as HookDelivery
from shared.domain.ports.keeping import Counters, Keeping, Marked
from shared.domain.ports.objects import Allowed, ObjectStore, Room, StoredObject
from shared.domain.ports.recordings import (
    ClipFacts,
    FinaliseRun,
    LiveSegment,
    Offer,
    OfferRows,
    Pacing,
    PartRun,
    Writing,
)
from shared.domain.ports.upkeep import Expectation, FinishedClip, Job, Jobs, Ledger, Progress, ReadyClip, Repairs
from shared.domain.ports.video import PartCopying, PartEncoding, Video
from shared.domain.ports.videos import Order, Page, SegmentFilter, StoredClip, Streamed, Videos

__all__ = [
    "Accepted",
    "Access",
    "Allowed",
    "Appended",
    "Bounds",
    "BoundsByCamera",
    "BufferLimits",
    "CameraLeases",
    "CameraStates",
    "ClipFacts",
    "Clock",
    "Counters",
    "Deliveries",
    "Delivery",
    "DetectionChannel",
    "DetectionStream",
    "Detections",
    "EventFeed",
    "EventSink",
    "Expectation",
    "FinaliseRun",
    "FinishedClip",
    "FrameBuffer",
    "Holds",
    "HookDelivery",
    "Job",
    "Jobs",
    "Keeping",
    "Ledger",
    "LiveSegment",
    "Marked",
    "ObjectStore",
    "Offer",
    "OfferRows",
    "Order",
    "Pacing",
    "PacketBuffer",
    "Page",
    "Parking",
    "PartCopying",
    "PartEncoding",
    "PartRun",
    "PendingMark",
    "PendingPage",
    "Poster",
    "Progress",
    "ReadyClip",
    "Repairs",
    "Room",
    "SegmentFilter",
    "Signer",
    "StoredClip",
    "StoredObject",
    "Streamed",
    "TaskQueue",
    "Tokens",
    "Video",
    "Videos",
    "Writing",
]
