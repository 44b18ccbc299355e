"""What is known of a finished clip: who passed, who looked at it, and by whose clocks it was
recorded. All of it as files of an evidence archive.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from shared.domain.access import AccessEntry, AccessFilter, Caller
from shared.domain.errors import PlatereelError
from shared.domain.found_passes import FoundDetection, ReviewedPass
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import (
    AccessRows,
    CameraStates,
    Clock,
    DetectionFilter,
    ObjectStore,
    PassRows,
    PlateListRows,
    ReadOrder,
    SegmentRows,
    Signer,
    Video,
)
from shared.domain.rendition import frame_scale
from shared.domain.segment import DetailedSegment
from shared.domain.timing import from_ms, to_ms
from shared.runtime.settings import Settings
from shared.wire import api as schemas
from shared.wire.evidence_facts import (
    AccessFile,
    CameraClock,
    ClocksFile,
    PassesFile,
    PassInClip,
    ReadInClip,
    ServerClock,
)

AT_ONCE, MOST_LINES = 1_000, 10_000
# what is outside of the clip, but of a vehicle that may be in it
AROUND_MS = 10_000
PUSHED = "push:"
# of the details of a line, what names no plate
_PLAIN = {"bytes", "by", "what", "overlay", "redact", "original"}
_BY_SENDER = (
    "The frames have the times that their sender gave them. What clock that was is not known here."
)
_BY_HOST = (
    "The camera's own clock is not used for the time of day. Capture places each frame by the clock of its host; a "
    "time that the camera sends with a frame sets only how far frames are apart. Nobody measured the capture host's "
    "clock for this archive."
)
_NOBODY = "The configuration does not have this camera any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePorts:
    """What evidence is made of, whoever asks for it. deployment: its id. server_clocks: see
    `Deployment`.
    """

    segments: SegmentRows
    passes: PassRows
    lists: PlateListRows
    access: AccessRows
    states: CameraStates
    store: ObjectStore
    signer: Signer
    video: Callable[[], Video]
    clock: Clock
    settings: Settings
    deployment: str
    server_clocks: Callable[[str], Mapping[str, Callable[[], int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """A clip with the passes and reads of its time, and of some seconds around it.

    scale: pixels of the clip for a pixel of the camera's frame; None where nobody can tell.
    """

    segment: DetailedSegment
    passes: Sequence[ReviewedPass]
    reads: Sequence[FoundDetection]
    scale: tuple[float, float] | None

    @property
    def first_ms(self) -> int:
        """When the clip's first frame was captured."""
        return to_ms(self.segment.first_frame_at or self.segment.start_time)

    @property
    def duration_ms(self) -> int:
        """How long it is."""
        return round((self.segment.duration_seconds or 0) * 1000)

    def offset_ms(self, read: FoundDetection) -> int:
        """Returns when a read is shown, after the first frame."""
        return to_ms(read.captured_at) - self.first_ms

    def shows(self, read: FoundDetection) -> bool:
        """Returns whether a read lies within the clip."""
        return 0 <= self.offset_ms(read) <= self.duration_ms

    def reads_of(self, pass_id: UUID | None) -> list[FoundDetection]:
        """Returns the reads of a pass, or those of none, also around the clip."""
        return [each for each in self.reads if each.pass_id == pass_id]

    @property
    def shown_passes(self) -> list[ReviewedPass]:
        """The passes that have a read within the clip."""
        shown = {each.pass_id for each in self.reads if self.shows(each)}
        return [each for each in self.passes if each.id in shown]

    def only(self, kept: set[UUID]) -> ClipFacts:
        """Returns the facts without anything that tells of other passes."""
        reads = [each for each in self.reads if each.pass_id in kept]
        ids = {each.detection_id for each in reads}
        detections = [each for each in self.segment.detections if each.detection_id in ids]
        passes = [each for each in self.passes if each.id in kept]
        segment = replace(
            self.segment,
            detections=detections,
            detection_ids=",".join(each.detection_id for each in detections) or None,
            plates=list(dict.fromkeys(each.plate for each in passes if each.plate is not None)),
            best_confidence=max((each.confidence for each in detections), default=None),
            thumbnail_path=None,
            strip_path=None,
            note=None,
        )
        return replace(self, segment=segment, passes=passes, reads=reads)


def clip_facts(ports: EvidencePorts, segment_id: UUID) -> ClipFacts:
    """Returns what the rows know of a clip."""
    segment = ports.segments.get(segment_id)
    bare = ClipFacts(segment=segment, passes=(), reads=(), scale=None)
    where = DetectionFilter(
        camera_id=segment.camera_id,
        from_ms=bare.first_ms - AROUND_MS,
        to_ms=bare.first_ms + bare.duration_ms + AROUND_MS,
    )
    reads = _every_read(ports.passes, where)
    ids = {each.pass_id for each in reads if each.pass_id is not None}
    policy = RecordingPolicy.from_json(segment.policy)
    return replace(
        bare,
        passes=ports.passes.reviewed(sorted(ids)),
        reads=reads,
        scale=frame_scale(policy, size_of(segment), _camera_size(ports, segment.camera_id)),
    )


def _every_read(rows: PassRows, where: DetectionFilter) -> list[FoundDetection]:
    page = rows.detections(where, AT_ONCE, None, ReadOrder.OLDEST)
    found = list(page.items)
    while page.next_cursor is not None:
        page = rows.detections(where, AT_ONCE, page.next_cursor, ReadOrder.OLDEST)
        found += page.items
    return found


def size_of(segment: DetailedSegment) -> tuple[int, int]:
    """Returns width and height of a clip's pictures; zeros where its row does not say."""
    width, _, height = (segment.resolution or "0x0").partition("x")
    return int(width), int(height)


def _state(ports: EvidencePorts, camera_id: str) -> dict[str, str]:
    """Returns what capture says of the camera, nothing while it cannot be asked."""
    try:
        return ports.states.state(camera_id)
    except PlatereelError:
        return {}


def _camera_size(ports: EvidencePorts, camera_id: str) -> tuple[int, int] | None:
    state = _state(ports, camera_id)
    return (int(state["width"]), int(state["height"])) if {"width", "height"} <= {*state} else None


def segment_file(facts: ClipFacts) -> bytes:
    """Returns segment.json."""
    return _json(schemas.SegmentDetail.model_validate(facts.segment))


def passes_file(facts: ClipFacts, *, with_lists: bool) -> bytes:
    """Returns passes.json. with_lists: on which lists they are; else only whether there was a
    hit.
    """
    made = [
        PassInClip.model_validate(
            {
                **vars(each),
                "dwell_seconds": each.dwell_seconds,
                "hits": each.hits if with_lists else [],
                "reads_in_clip": _placed(facts, each.id),
            }
        )
        for each in facts.shown_passes
    ]
    return _json(
        PassesFile(
            segment_id=facts.segment.id, passes=made, reads_without_pass=_placed(facts, None)
        )
    )


def _placed(facts: ClipFacts, pass_id: UUID | None) -> list[ReadInClip]:
    return [
        ReadInClip.model_validate({**vars(each), "offset_ms": facts.offset_ms(each)})
        for each in facts.reads_of(pass_id)
        if facts.shows(each)
    ]


def access_file(ports: EvidencePorts, segment_id: UUID, *, plates: bool) -> bytes:
    """Returns access-log.json: the newest lines about a clip. plates: with all details; without,
    only with those that cannot name a plate.
    """
    lines: list[AccessEntry] = []
    page = _lines_before(ports, None, segment_id)
    while page and len(lines) < MOST_LINES:
        lines += page
        page = _lines_before(ports, page[-1].id, segment_id)
    if not plates:
        lines = [
            replace(each, details={k: v for k, v in each.details.items() if k in _PLAIN})
            for each in lines
        ]
    return _json(
        AccessFile(
            segment_id=segment_id,
            until=from_ms(ports.clock.now_ms()),
            truncated=bool(page),
            lines=[schemas.AccessEntry.model_validate(each) for each in reversed(lines)],
        )
    )


def _lines_before(ports: EvidencePorts, before: int | None, segment_id: UUID) -> list[AccessEntry]:
    return ports.access.log(AccessFilter(segment_id=segment_id), before, AT_ONCE)


def clocks_file(ports: EvidencePorts, camera_id: str, who: Caller) -> bytes:
    """Returns clocks.json: measures the servers' clocks against this host's."""
    state = _state(ports, camera_id)
    source = ports.settings.source(camera_id) if camera_id in ports.settings.cameras else None
    told = _NOBODY if source is None else _BY_SENDER if source.startswith(PUSHED) else _BY_HOST
    return _json(
        ClocksFile(
            measured_at=from_ms(ports.clock.now_ms()),
            measured_by=who.name,
            servers=[
                _server_clock(ports.clock, name, look)
                for name, look in ports.server_clocks(camera_id).items()
            ],
            camera=CameraClock(
                camera_id=camera_id,
                own_clock_used=None if source is None else source.startswith(PUSHED),
                told=told,
                state=state.get("state"),
                state_at=from_ms(int(state["updated_ms"])) if "updated_ms" in state else None,
            ),
        )
    )


def _server_clock(clock: Clock, name: str, look: Callable[[], int]) -> ServerClock:
    """A server answers somewhere between question and answer; the middle is taken."""
    try:
        began = clock.monotonic()
        theirs = look()
        took_ms = (clock.monotonic() - began) * 1000
    except PlatereelError:
        return ServerClock(
            name=name, offset_ms=None, uncertainty_ms=None, problem="it did not answer"
        )
    ours = clock.now_ms() - took_ms / 2
    return ServerClock(
        name=name, offset_ms=round(theirs - ours), uncertainty_ms=max(1, round(took_ms / 2))
    )


def _json(value: BaseModel) -> bytes:
    written: Any = value.model_dump(mode="json", by_alias=True)
    return json.dumps(written, indent=2, sort_keys=True).encode() + b"\n"
