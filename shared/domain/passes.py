"""Passes: which detections are one vehicle going by one camera once.

Two passes of a camera are one if they are at most the gap apart and two of their plates are alike.
So the passes are the finest grouping of the reads in which no two passes are one. There is just one
such grouping, so the order in which reads arrive does not matter. A read without a plate is placed
by its box, and only there the order can matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.domain.json_object import JsonObject
from shared.domain.media import Box, Detection
from shared.domain.plates import alike, plate_key
from shared.domain.staying import Stay

SAME_BOX = 0.3  # intersection over union of a vehicle's boxes in two reads

Mint = Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class BestRead:
    """The most confident read of a plate, the earliest of several."""

    detection_id: str
    captured_ms: int
    confidence: float

    @property
    def rank(self) -> tuple[float, int, str]:
        """The best read has the least rank."""
        return -self.confidence, self.captured_ms, self.detection_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A plate that a pass was read as, as its best read writes it.

    confidence_sum: over all its reads; the plate with the greatest one is the pass's plate.
    """

    plate: str
    reads: int
    confidence_sum: float
    best: BestRead

    def with_(self, other: Variant) -> Variant:
        """Returns both together."""
        better = self if self.best.rank <= other.best.rank else other
        return Variant(
            plate=better.plate,
            reads=self.reads + other.reads,
            confidence_sum=self.confidence_sum + other.confidence_sum,
            best=better.best,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One vehicle going by one camera once.

    first_ms, last_ms: capture time of its first and last read. variants: by normal form. key: that
    of its best plate, None where nobody could read one. best: its
    best plate's best read, or of all reads where none has a plate. late_ms: the most that one of
    them came late. hit: a read of it is on a watch list.
    """

    pass_id: UUID
    first_ms: int
    last_ms: int
    reads: int
    best: BestRead
    stay: Stay
    variants: Mapping[str, Variant] = field(default_factory=dict)
    key: str | None = None
    first_box: Box | None = None
    last_box: Box | None = None
    attributes: JsonObject = field(default_factory=dict)
    late_ms: int = 0
    recorded: bool = False
    hit: bool = False

    @property
    def plate(self) -> str | None:
        """Its best plate, as it was read."""
        return None if self.key is None else self.variants[self.key].plate

    def near(self, first_ms: int, last_ms: int, gap_ms: int) -> bool:
        """Returns whether it is at most the gap away from a stretch of time."""
        return self.first_ms - gap_ms <= last_ms and first_ms <= self.last_ms + gap_ms

    def is_one_with(self, other: Pass, gap_ms: int) -> bool:
        """Returns whether the two are the same pass."""
        return self.near(other.first_ms, other.last_ms, gap_ms) and self.is_alike(other)

    def is_alike(self, other: Pass) -> bool:
        """Returns whether two of their plates are alike, whatever their times."""
        if not self.variants.keys().isdisjoint(other.variants):
            return True
        return any(alike(mine, its) for mine in self.variants for its in other.variants)

    def overlap(self, box: Box | None, at_ms: int) -> float:
        """Returns how far a box at a time is that of the vehicle (intersection over union), 0 to 1:
        of the read nearest in time. The next vehicle comes from where this one came from.
        """
        if box is None:  # if neither tells anything, nothing speaks against it
            return float(self.first_box is None)
        nearest = self.first_box if at_ms - self.first_ms < self.last_ms - at_ms else self.last_box
        return 0.0 if nearest is None else nearest.overlap(box)

    def with_(self, other: Pass) -> Pass:
        """Returns both together, under the id of the one that began first."""
        first, second = sorted((self, other), key=lambda each: (each.first_ms, str(each.pass_id)))
        last = first if first.last_ms > second.last_ms else second
        variants = dict(first.variants)
        for key, variant in second.variants.items():
            variants[key] = variants[key].with_(variant) if key in variants else variant
        better, worse = (first, second) if first.best.rank <= second.best.rank else (second, first)
        joined = replace(
            first,
            last_ms=last.last_ms,
            reads=first.reads + second.reads,
            variants=variants,
            key=_best_key(variants, first, second),
            best=better.best,
            stay=first.stay.with_(second.stay),
            first_box=first.first_box or second.first_box,
            last_box=last.last_box or first.last_box or second.last_box,
            attributes={**worse.attributes, **better.attributes},
            late_ms=max(first.late_ms, second.late_ms),
            recorded=first.recorded or second.recorded,
            hit=first.hit or second.hit,
        )
        if joined.key is None:
            return joined
        return replace(joined, best=variants[joined.key].best)


def best_key(variants: Mapping[str, Variant], among: Iterable[str]) -> str | None:
    """Returns the plate with the greatest sum of confidences."""
    return min(among, key=lambda key: (-variants[key].confidence_sum, key), default=None)


def _best_key(variants: Mapping[str, Variant], first: Pass, second: Pass) -> str | None:
    """Returns the best plate of two passes together: one of their best, or one that both have."""
    smaller, larger = sorted((first, second), key=lambda each: len(each.variants))
    among = {key for key in smaller.variants if key in larger.variants}
    among |= {key for key in (first.key, second.key) if key is not None}
    return best_key(variants, among)


def read_alone(detection: Detection, late_ms: int, pass_id: UUID) -> Pass:
    """Returns the pass of one detection."""
    best = BestRead(detection.detection_id, detection.captured_ms, detection.confidence)
    key = "" if detection.plate is None else plate_key(detection.plate)
    variants = {}
    if key and detection.plate is not None:
        variants[key] = Variant(
            plate=detection.plate, reads=1, confidence_sum=detection.confidence, best=best
        )
    return Pass(
        pass_id=pass_id,
        first_ms=detection.captured_ms,
        last_ms=detection.captured_ms,
        reads=1,
        best=best,
        stay=Stay(loud_since_ms=detection.captured_ms),
        variants=variants,
        key=key or None,
        first_box=detection.bbox,
        last_box=detection.bbox,
        attributes=detection.attributes,
        late_ms=late_ms,
    )


@dataclass(slots=True)
class CameraPasses:
    """The passes of one camera near some detections, while these are placed.

    gap_ms: two reads of one vehicle are not further apart. gone: passes that became part of
    another, and of which.
    """

    gap_ms: int
    mint: Mint
    passes: dict[UUID, Pass] = field(default_factory=dict)
    gone: dict[UUID, UUID] = field(default_factory=dict)

    def place(self, detection: Detection, late_ms: int) -> UUID:
        """Put a detection into its pass. Returns the pass's id, which `now` brings up to date."""
        alone = read_alone(detection, late_ms, self.mint())
        one = self._one_with(alone, detection.bbox)
        placed = self._joined([alone, *one], keep=[each.pass_id for each in one])
        self.passes[placed.pass_id] = placed
        if self._reaches_another(placed, alone, one):
            self.settle(placed.pass_id)
        return self.now(placed.pass_id)

    def _reaches_another(self, placed: Pass, alone: Pass, before: Sequence[Pass]) -> bool:
        """Returns whether a pass has become one with another by a read. Of passes that were near
        before, only the new plate can make them one: a vehicle that stands for hours has hundreds
        of misreads, and comparing all of them for every read would take seconds.
        """
        return any(
            other.is_alike(alone)
            or any(
                not each.near(other.first_ms, other.last_ms, self.gap_ms) and each.is_alike(other)
                for each in before
            )
            for other in self.passes.values()
            if other.pass_id != placed.pass_id
            and other.near(placed.first_ms, placed.last_ms, self.gap_ms)
        )

    def hear(self, pass_id: UUID, detection: Detection, most_ms: int | None) -> bool:
        """Returns whether a detection of a pass is quiet. most_ms: see `Stay.read`."""
        found = self.passes[pass_id]
        if not _is_surely(found, detection):
            return False
        stay, quiet = found.stay.read(detection.captured_ms, detection.bbox, most_ms)
        self.passes[pass_id] = replace(found, stay=stay)
        return quiet

    def note_recorded(self, pass_id: UUID) -> None:
        """Note that a read of a pass is recorded."""
        pass_id = self.now(pass_id)
        if not self.passes[pass_id].recorded:
            self.passes[pass_id] = replace(self.passes[pass_id], recorded=True)

    def note_hit(self, pass_id: UUID) -> None:
        """Note that a read of a pass is on a watch list."""
        pass_id = self.now(pass_id)
        if not self.passes[pass_id].hit:
            self.passes[pass_id] = replace(self.passes[pass_id], hit=True)

    def joins_hit(self, detection: Detection) -> bool:
        """Returns whether a detection is of a pass that is a hit, without placing it."""
        if not any(each.hit for each in self.passes.values()):
            return False
        alone = read_alone(detection, 0, self.mint())
        return any(each.hit for each in self._one_with(alone, detection.bbox))

    def settle(self, pass_id: UUID) -> bool:
        """Join passes that have become one with this one. Returns whether there were any."""
        found, changed = self.passes[self.now(pass_id)], False
        while one := self._by_plate(found):
            found, changed = self._joined([found, *one], keep=None), True
            self.passes[found.pass_id] = found
        return changed

    def now(self, pass_id: UUID) -> UUID:
        """Returns the id of the pass that a pass is part of now."""
        while pass_id in self.gone:
            pass_id = self.gone[pass_id]
        return pass_id

    def _one_with(self, alone: Pass, box: Box | None) -> list[Pass]:
        return (self._by_plate(alone) if alone.variants else []) or self._by_box(alone, box)

    def _by_plate(self, pass_: Pass) -> list[Pass]:
        return [
            other
            for other in self.passes.values()
            if other.pass_id != pass_.pass_id and other.is_one_with(pass_, self.gap_ms)
        ]

    def _by_box(self, alone: Pass, box: Box | None) -> list[Pass]:
        """Returns the nearest pass that has the same box, of those that the plate allows."""
        at_ms = alone.first_ms
        near = [
            (other.overlap(box, at_ms), other)
            for other in self.passes.values()
            if other.near(at_ms, at_ms, self.gap_ms)
            and not (alone.variants and other.variants)
            and (box is not None or not other.variants)
        ]
        same = [(overlap, other) for overlap, other in near if overlap >= SAME_BOX]
        same.sort(key=lambda each: (_distance_ms(each[1], at_ms), -each[0], each[1].first_ms))
        return [other for _, other in same[:1]]

    def _joined(self, passes: Sequence[Pass], keep: Iterable[UUID] | None) -> Pass:
        """Returns passes as one. keep: ids that were there before; None: all of them were."""
        whole = passes[0]
        for each in passes[1:]:
            whole = whole.with_(each)
        known = [each.pass_id for each in passes] if keep is None else list(keep)
        if known and whole.pass_id not in known:  # an earlier read of a pass that is there
            whole = replace(whole, pass_id=known[0])
        for pass_id in known:
            if pass_id != whole.pass_id:
                del self.passes[pass_id]
                self.gone[pass_id] = whole.pass_id
        return whole


def _is_surely(found: Pass, detection: Detection) -> bool:
    """Returns whether a read can only be of the pass's own vehicle: its plate is alike to the best
    one, or it stands where that vehicle parks. Others, which misreads connect with it, are never
    quiet because of it.
    """
    key = plate_key(detection.plate) if detection.plate else ""
    return (
        not key
        or found.key is None
        or alike(key, found.key)
        or (detection.bbox is not None and found.stay.stands(detection.bbox))
    )


def _distance_ms(pass_: Pass, at_ms: int) -> int:
    return max(pass_.first_ms - at_ms, at_ms - pass_.last_ms, 0)
