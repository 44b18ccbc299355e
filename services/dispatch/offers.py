"""Offers due work to the writers, never more than they can take in a moment.

Due work waits in the rows, and only a short stretch of it in the queue. A longer queue helps
nobody: it takes the broker's memory while the writers are away, and must be emptied first when they
are back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.domain.errors import Retryable
from shared.domain.ports import Clock, Offer, OfferRows, TaskQueue
from shared.runtime.logs import logger
from shared.wire.tasks import Finalise, Task, WritePart, encode_task, finalise, write_part

# More than all writers of a large site begin between two ticks.
QUEUE_BOUND = 1_000
MOST_A_TICK = 100
SENDING_SECONDS = 0.2  # of a tick, for one queue
UPKEEP_BOUND = 10
BROKER_PAUSE_SECONDS = 1.0

_log = logger(__name__)


@dataclass(slots=True)
class Offering:
    """One pacer's offers. It remembers only how long the broker is left alone."""

    rows: OfferRows
    queue: TaskQueue
    clock: Clock
    _broker_back_at: float = 0.0
    _at_once: int = MOST_A_TICK

    def parts(self, passed: Mapping[UUID, int | None]) -> None:
        """Offer parts of these segments that the buffer has passed; None: all parts, because no
        more frames will come.
        """
        if passed:
            self._offer(
                WritePart.QUEUE,
                lambda limit: self.rows.offer_parts(passed, limit),
                lambda offer: write_part(offer.row_id, offer.number),
                self.rows.withdraw_parts,
            )

    def clips(self) -> None:
        """Offer closed segments whose parts are all in."""
        self._offer(
            Finalise.QUEUE,
            self.rows.offer_clips,
            lambda offer: finalise(offer.row_id, offer.number),
            self.rows.withdraw_clips,
        )

    def take_back_lost(self) -> None:
        """Make work due again that was offered and whose message the broker has lost."""
        lost = 0
        for queue, take_back in (
            (WritePart.QUEUE, self.rows.take_back_lost_parts),
            (Finalise.QUEUE, self.rows.take_back_lost_clips),
        ):
            waiting = self._waiting(queue)
            if waiting is not None:
                lost += take_back(queue_empty=waiting == 0)
        if lost:
            _log.warning("lost_messages", count=lost)

    def job(self, task: Task) -> None:
        """Publish a step of a job, unless several wait already: then nobody takes them, and its row
        is enough.
        """
        waiting = self._waiting(task.QUEUE)
        if waiting is not None and waiting < UPKEEP_BOUND:
            self.send(task)

    def send(self, task: Task) -> bool:
        """Publish a task. Returns False when the broker is away; its row stays, so nothing is lost.

        A broker that does not answer costs a timeout, so for a moment nothing more is sent.
        """
        if self._away():
            return False
        try:
            self.queue.send(task.NAME, encode_task(task))
        except Retryable as error:
            self._leave_alone(task.NAME, error.message)
            return False
        return True

    def _offer(
        self,
        queue: str,
        take: Callable[[int], list[Offer]],
        message: Callable[[Offer], Task],
        withdraw: Callable[[Sequence[Offer]], None],
    ) -> None:
        waiting = self._waiting(queue)
        room = 0 if waiting is None else min(self._at_once, QUEUE_BOUND - waiting)
        offers = take(room) if room > 0 else []
        if not offers:
            return
        began = self.clock.monotonic()
        messages = [message(offer) for offer in offers]
        sent = self.queue.send_all([(task.NAME, encode_task(task)) for task in messages])
        self._pace(len(offers), self.clock.monotonic() - began)
        left = [offer for offer, went in zip(offers, sent, strict=True) if not went]
        if left:
            self._leave_alone(queue, f"{len(left)} of {len(offers)} messages")
            withdraw(left)

    def _pace(self, count: int, took_s: float) -> None:
        """Offer fewer at once when the broker is far: a tick also plans, closes and holds, and must
        not wait long.
        """
        if took_s > SENDING_SECONDS:
            self._at_once = max(1, min(self._at_once, count) // 2)
        elif took_s < SENDING_SECONDS / 2:
            self._at_once = min(MOST_A_TICK, self._at_once * 2)

    def _waiting(self, queue: str) -> int | None:
        """Returns how many messages wait in a queue; None while the broker does not answer."""
        if self._away():
            return None
        try:
            return self.queue.waiting(queue)
        except Retryable as error:
            self._leave_alone(queue, error.message)
            return None

    def _away(self) -> bool:
        return self.clock.monotonic() < self._broker_back_at

    def _leave_alone(self, what: str, error: str) -> None:
        self._broker_back_at = self.clock.monotonic() + BROKER_PAUSE_SECONDS
        _log.warning("broker_away", what=what, error=error)
