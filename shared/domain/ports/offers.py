"""Offers: what is due, and what the writers have been told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Offer:
    """A part or a segment that the writers are told of, and which of its offers that is."""

    row_id: UUID
    number: int


class OfferRows(Protocol):
    """What is due, and what the writers have been told of. An offer stays good until its run begins."""

    def offer_parts(self, passed: Mapping[UUID, int | None], limit: int) -> list[Offer]:
        """Offer at most so many due parts of these segments, oldest first.

        passed: capture time (ms) up to which the buffer has passed a segment; None: its parts wait for nothing.
        """

    def offer_clips(self, limit: int) -> list[Offer]:
        """Offer at most so many closed segments whose parts are all in, oldest first."""

    def withdraw_parts(self, offers: Sequence[Offer]) -> None:
        """These offers could not be published: the parts are due again."""

    def withdraw_clips(self, offers: Sequence[Offer]) -> None:
        """These offers could not be published: the segments can be offered again."""

    def take_back_lost_parts(self, *, queue_empty: bool) -> int:
        """Make due again what was offered a while ago and can no longer be in the queue; how many that were."""

    def take_back_lost_clips(self, *, queue_empty: bool) -> int:
        """The same for segments that wait to be finalised."""
