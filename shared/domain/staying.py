"""A vehicle that stays where it is does not record for ever."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.media import Box

SAME_PLACE = 0.5  # intersection over union with the box at which a vehicle became quiet


@dataclass(frozen=True, slots=True)
class Stay:
    """Since when a pass is recorded, and since when it is quiet.

    quiet_since_ms: None while its reads are recorded. parked: where it stood when it became quiet;
    None where its reads have no box, and then nobody sees that it leaves.
    """

    loud_since_ms: int
    quiet_since_ms: int | None = None
    parked: Box | None = None

    def read(self, at_ms: int, box: Box | None, most_ms: int | None) -> tuple[Stay, bool]:
        """Take a read. Returns the stay after it, and whether the read is quiet: it neither opens
        nor extends a recording. most_ms: how long a pass is recorded; None: always.
        """
        if most_ms is None or at_ms < self.loud_since_ms:
            return self, False
        if self.quiet_since_ms is not None:
            return self._quiet(at_ms, box, self.quiet_since_ms)
        returned = self.parked is not None and box is not None and self.stands(box)
        if not returned and at_ms - self.loud_since_ms <= most_ms:
            return self, False
        parked = self.parked if returned else box
        return replace(self, quiet_since_ms=at_ms, parked=parked), True

    def _quiet(self, at_ms: int, box: Box | None, quiet_since_ms: int) -> tuple[Stay, bool]:
        if at_ms < quiet_since_ms:  # it came late: then it was recorded
            return self, False
        if box is None or self.parked is None:
            return replace(self, parked=self.parked or box), True
        if self.stands(box):
            return self, True
        # Where it stood stays known: if it was a shaking box alone, it is quiet again at once.
        return replace(self, loud_since_ms=at_ms, quiet_since_ms=None), False

    def stands(self, box: Box) -> bool:
        """Returns whether a vehicle is where it was when it became quiet."""
        return self.parked is not None and self.parked.overlap(box) >= SAME_PLACE

    def with_(self, other: Stay) -> Stay:
        """Returns the stay of two passes that are one: of the one that is quiet, else of the one
        that is recorded for longer.
        """
        return min(
            (self, other),
            key=lambda each: (each.quiet_since_ms is None, each.parked is None, each.loud_since_ms),
        )
