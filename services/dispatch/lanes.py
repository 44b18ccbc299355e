"""Carries events out of the system, again and again with growing pauses.

Everybody who gets events has a lane of its own, so one that hangs delays no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.dispatch.bell import Bell
from shared.domain.errors import BadInput, Retryable
from shared.domain.ports import Clock, WebhookDelivery, WebhookRows
from shared.runtime.logs import logger
from shared.runtime.metrics import WEBHOOKS, from_zero

AT_ONCE, LEASE_SECONDS = 20, 300.0
# A receiver without an answer is asked again with one event, after pauses that double up to this.
LONGEST_SILENCE_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, MOST_ATTEMPTS = 5.0, 7_200.0, 20
MOST_DOUBLINGS = 20

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a receiver did not take an event, and whether it wants no other try (gone)."""

    reason: str
    gone: bool = False


class Carrier(Protocol):
    """The way to one receiver."""

    def carry(self, delivery: WebhookDelivery) -> Refused | None:
        """Bring one event to the receiver. Returns None where it took it.

        Raises Retryable without an answer, BadInput where it can never be sent.
        """


@dataclass(slots=True)
class Lane:
    """Sends the deliveries of one receiver. One thread uses it.

    bell: rung when there may be some. patient: deliveries wait for a receiver that does not answer
    for as long as it takes, and soon after it does they are sent.
    """

    name: str
    carrier: Carrier
    deliveries: WebhookRows
    clock: Clock
    bell: Bell = field(default_factory=Bell)
    patient: bool = False
    _silences: int = 0
    _open_at_s: float = float("-inf")

    def __post_init__(self) -> None:
        from_zero(WEBHOOKS, [self.name], ("delivered", "failed", "given_up"))

    def send(self) -> int:
        """Send what is due. Returns how many were tried: none while the receiver rests because it
        did not answer.
        """
        if self.clock.monotonic() < self._open_at_s:
            return 0
        due = self.deliveries.take([self.name], 1 if self._silences else AT_ONCE, LEASE_SECONDS)
        for number, delivery in enumerate(due, 1):
            if not self._answered(delivery):
                self._rest(due[number:])
                return number
            self._silences = 0
        return len(due)

    def _rest(self, untried: Sequence[WebhookDelivery]) -> None:
        pause_s = min(LONGEST_SILENCE_SECONDS, 2.0**self._silences)
        self._silences = min(self._silences + 1, 10)
        self._open_at_s = self.clock.monotonic() + pause_s
        if untried:
            self.deliveries.put_back([delivery.delivery_id for delivery in untried], pause_s)

    def _answered(self, delivery: WebhookDelivery) -> bool:
        """Try one delivery and note its outcome. Returns False when the receiver did not answer."""
        try:
            refused = self.carrier.carry(delivery)
        except Retryable as error:
            self._failed(delivery, Refused(error.message), patient=self.patient)
            return False
        except BadInput as error:
            self._failed(delivery, Refused(error.message, gone=True))
        except Exception as error:  # noqa: BLE001 - whatever one delivery raises, the others are tried
            self._failed(delivery, Refused(f"it cannot be sent: {type(error).__name__}"))
        else:
            if refused is None:
                self.deliveries.delivered(delivery.delivery_id)
                WEBHOOKS.labels(self.name, "delivered").inc()
            else:
                self._failed(delivery, refused)
        return True

    def _failed(self, delivery: WebhookDelivery, why: Refused, *, patient: bool = False) -> None:
        over = why.gone or (delivery.attempts + 1 >= MOST_ATTEMPTS and not patient)
        longest_s = LONGEST_SILENCE_SECONDS if patient else LONGEST_PAUSE_SECONDS
        pause_s = min(longest_s, FIRST_PAUSE_SECONDS * 2 ** min(delivery.attempts, MOST_DOUBLINGS))
        self.deliveries.failed(delivery.delivery_id, why.reason, None if over else pause_s)
        WEBHOOKS.labels(self.name, "given_up" if over else "failed").inc()
        _log.warning(
            "webhook_failed",
            webhook=self.name,
            reason=why.reason,
            attempt=delivery.attempts + 1,
            given_up=over,
        )
