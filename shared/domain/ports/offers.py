"""Offers: which parts and segments are due, and which of them the writers were told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of a part or a segment to the writers."""

    row_id: UUID
    number: int


class OfferRows(Protocol):
    """What is due, and what was offered. An offer is good until its run begins."""

    def offer_parts(self, passed: Mapping[UUID, int | None], limit: int) -> list[Offer]:
        """Offer at most `limit` due parts of these segments, oldest first. Returns the offers.

        passed: capture time (ms) up to which the buffer has passed a segment; None: its parts wait
        for no frames.
        """

    def offer_clips(self, limit: int) -> list[Offer]:
        """Offer at most `limit` closed segments whose parts are all in, oldest first.

        Returns the offers.
        """

    def withdraw_parts(self, offers: Sequence[Offer]) -> None:
        """Make parts due again whose offers could not be published."""

    def withdraw_clips(self, offers: Sequence[Offer]) -> None:
        """Make segments offerable again whose offers could not be published."""

    def take_back_lost_parts(self, *, queue_empty: bool) -> int:
        """Make parts due again whose offers can no longer be in the queue. Returns how many."""

    def take_back_lost_clips(self, *, queue_empty: bool) -> int:
        """Make segments offerable again whose offers can no longer be in the queue.

        Returns how many.
        """
