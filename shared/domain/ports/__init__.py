"""What the use cases ask of the world. One adapter per vendor; the contract suite holds each to the same behaviour."""

from __future__ import annotations

from shared.domain.ports.clock import Clock
from shared.domain.ports.detections import (
    Accepted,
    Delivery,
    DetectionChannel,
    Detections,
    DetectionStream,
    EventSink,
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
from shared.domain.ports.objects import ObjectStore, StoredObject
from shared.domain.ports.recordings import ClipFacts, FinaliseRun, LiveSegment, Pacing, PartRun, PartView, Writing
from shared.domain.ports.upkeep import Expectation, FinishedClip, Job, Jobs, Ledger, ReadyClip, Repairs
from shared.domain.ports.video import PartCopying, PartEncoding, Video
from shared.domain.ports.videos import Page, SegmentFilter, Videos

__all__ = [
    "Accepted",
    "Appended",
    "Bounds",
    "BoundsByCamera",
    "BufferLimits",
    "CameraLeases",
    "CameraStates",
    "ClipFacts",
    "Clock",
    "Delivery",
    "DetectionChannel",
    "DetectionStream",
    "Detections",
    "EventSink",
    "Expectation",
    "FinaliseRun",
    "FinishedClip",
    "FrameBuffer",
    "Holds",
    "Job",
    "Jobs",
    "Ledger",
    "LiveSegment",
    "ObjectStore",
    "Pacing",
    "PacketBuffer",
    "Page",
    "Parking",
    "PartCopying",
    "PartEncoding",
    "PartRun",
    "PartView",
    "ReadyClip",
    "Repairs",
    "SegmentFilter",
    "StoredObject",
    "TaskQueue",
    "Video",
    "Videos",
    "Writing",
]
