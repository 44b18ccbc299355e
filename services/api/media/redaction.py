"""Which plates of a clip are drawn in, and which are blurred, in the copies of an archive. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from services.api.media.clip_facts import ClipFacts
from shared.domain.errors import BadInput, Conflict
from shared.domain.found_passes import FoundDetection, ReviewedPass
from shared.domain.plates import plate_key
from shared.domain.policy import Reads, Record, RecordingPolicy
from shared.domain.rendition import BurntTime, Rendition, Track, placed, track
from shared.wire.evidence import NotBlurred, Overlay, Redaction

OVERLAY, REDACTED = "overlay.mp4", "redacted.mp4"
NO_BOX = "none of its reads has a box"
SOME_WITHOUT = "some of its reads have no box, and none that has one is near"
UNKNOWN = "?"
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants in an archive. redact: blur the plates of all but `plate`.

    original: with the clip as it was recorded.
    """

    overlay: bool = False
    redact: bool = False
    plate: str | None = None
    zone: ZoneInfo = UTC_ZONE
    original: bool = True

    def __post_init__(self) -> None:
        if self.plate is not None and not self.redact:
            raise BadInput("plate", "says which plate stays visible: only with redact=others")
        if self.plate is not None and {"*", "?"} & {*self.plate}:
            raise BadInput("plate", "is one plate here, without * and ?")
        if not self.original and not self.redact:
            raise BadInput("original", "can be left out only of a redacted copy: redact=others")

    @property
    def copies(self) -> bool:
        """Whether the clip has to be encoded again."""
        return self.overlay or self.redact

    @property
    def details(self) -> dict[str, object]:
        """What the access log says of it."""
        given: dict[str, object] = {}
        if self.overlay:
            given["overlay"] = True
        if self.redact:
            given |= {"redact": "others", "plate": self.plate, "original": self.original}
        return given


def kept_passes(facts: ClipFacts, wanted: Wanted) -> set[UUID]:
    """Returns the passes whose plate stays visible: as a person corrected it, else the best one."""
    if not wanted.redact:
        return {each.id for each in facts.passes}
    if wanted.plate is None:
        return set()
    key = plate_key(wanted.plate)
    return {
        each.id for each in facts.passes if each.plate is not None and plate_key(each.plate) == key
    }


def renditions(facts: ClipFacts, wanted: Wanted) -> list[Rendition]:
    """Returns the copies to make. Raises Conflict where nobody can tell where the boxes are."""
    if wanted.redact and facts.scale is None:
        raise Conflict(
            "the clip is scaled, and how large the camera's pictures are is not known now: nobody can tell where on "
            "it the plates are"
        )
    kept = kept_passes(facts, wanted)
    hidden = (
        [each for pass_id, each in tracks(facts) if pass_id not in kept] if wanted.redact else []
    )
    made = []
    if wanted.overlay:
        marked = [each for pass_id, each in tracks(facts) if not wanted.redact or pass_id in kept]
        time = BurntTime(facts.first_ms, wanted.zone)
        made.append(Rendition(name=OVERLAY, hidden=hidden, marked=marked, time=time))
    if wanted.redact:
        made.append(Rendition(name=REDACTED, hidden=hidden))
    return made


def tracks(facts: ClipFacts) -> Iterator[tuple[UUID | None, Track]]:
    """Yields the ways of all plates; a read without a pass is one of its own."""
    for each in facts.passes:
        yield each.id, _track(facts, each.plate, facts.reads_of(each.id))
    for read in facts.reads_of(None):
        yield None, _track(facts, read.plate, [read])


def _track(facts: ClipFacts, plate: str | None, reads: Sequence[FoundDetection]) -> Track:
    return track(
        plate or UNKNOWN,
        [placed(facts.offset_ms(each), each.bbox, facts.scale) for each in reads],
    )


def told_overlay(wanted: Wanted) -> Overlay | None:
    """Returns what the manifest says of the copy with plates drawn in."""
    return Overlay(OVERLAY, wanted.zone.key) if wanted.overlay else None


def told_redaction(facts: ClipFacts, wanted: Wanted, *, drops_ignored: bool) -> Redaction | None:
    """Returns what the manifest says of the blurred copies. drops_ignored: a list lets the reads of
    its plates be dropped.
    """
    if not wanted.redact:
        return None
    kept = kept_passes(facts, wanted)
    others = [each for each in facts.shown_passes if each.id not in kept]
    reasons = {str(each.id): _uncovered(facts, each) for each in others}
    alone = [each.bbox is not None for each in facts.reads_of(None) if facts.shows(each)]
    policy = RecordingPolicy.from_json(facts.segment.policy)
    return Redaction(
        name=REDACTED,
        plate=wanted.plate,
        kept=[str(each.id) for each in facts.shown_passes if each.id in kept],
        blurred=[pass_id for pass_id, reason in reasons.items() if reason != NO_BOX],
        not_blurred=[NotBlurred(each, reason) for each, reason in reasons.items() if reason],
        reads_blurred=alone.count(True),
        reads_not_blurred=alone.count(False),
        reads_not_kept=drops_ignored
        or (policy.record == Record.HITS and policy.reads != Reads.KEEP),
    )


def _uncovered(facts: ClipFacts, found: ReviewedPass) -> str | None:
    """Returns why a pass is not blurred in all of its reads, None where it is."""
    reads = facts.reads_of(found.id)
    way = _track(facts, found.plate, reads)
    if not way.places:
        return NO_BOX
    bare = [each for each in reads if each.bbox is None and facts.shows(each)]
    seen = all(way.hidden_at(facts.offset_ms(each)) is not None for each in bare)
    return None if seen else SOME_WITHOUT
