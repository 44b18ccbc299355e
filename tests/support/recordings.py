"""A recording without pacer and workers: a test accepts the detection, offers, writes and finalises
by itself.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.domain.errors import Retryable
from shared.domain.lifecycle import DetectionOutcome
from tests.support.world import POLICY, World
from workers.writer.finalise import finalise
from workers.writer.write_part import write_part


def accept(
    world: World, camera: str, at_s: float, name: str, oldest_s: float | None = None
) -> list[UUID]:
    oldest = None if oldest_s is None else world.base_ms + round(oldest_s * 1000)
    (answer,) = world.detections.accept([world.detection(camera, at_s, name)], oldest, POLICY)
    assert answer.outcome is DetectionOutcome.RECORDED
    return list(answer.segment_ids)


def offer_parts(world: World) -> list[tuple[UUID, int]]:
    """Offer everything that is due, as a pacer does."""
    live = world.pacing.live()
    offers = world.offers.offer_parts({segment.segment_id: None for segment in live}, 1000)
    return [(offer.row_id, offer.number) for offer in offers]


def offer_clip(world: World) -> tuple[UUID, int]:
    """Offer the one segment whose parts are all in."""
    (offer,) = world.offers.offer_clips(10)
    return offer.row_id, offer.number


def finish(world: World, camera: str, until_s: float = 1000) -> None:
    """Let the buffer pass everything, write every part, finalise."""
    world.pacing.advance(camera, world.base_ms + round(until_s * 1000), silent=False)
    for part_id, offer in offer_parts(world):
        assert write_part(part_id, offer, world.writer) == "done"
    for closed in world.offers.offer_clips(1000):
        finalise(closed.row_id, closed.number, world.writer)


class Away:
    """A store that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object, **__: object) -> object:
            raise Retryable("the store does not answer")

        return refuse
