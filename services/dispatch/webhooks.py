"""Delivers events to webhooks, again and again with growing pauses, for about a day.

Every webhook has a lane of its own, so one that hangs, or answers byte by byte, delays no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.dispatch.bell import Bell
from shared.domain.errors import BadInput, Retryable
from shared.domain.ports import Clock, WebhookDelivery, WebhookRows, WebhookSender
from shared.runtime.logs import logger
from shared.runtime.metrics import WEBHOOKS
from shared.wire.webhooks import body_of, headers_of

AT_ONCE, LEASE_SECONDS = 20, 300.0
# A webhook without an answer is asked again with one event, after pauses that double up to this.
LONGEST_SILENCE_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, MOST_ATTEMPTS = 5.0, 7_200.0, 20

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook: its URL, its secret, and whether it may be in the own network.

    source makes its events CloudEvents.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    private: bool
    source: str | None


@dataclass(slots=True)
class Lane:
    """Sends the deliveries of one webhook. One thread uses it.

    bell: rung when there may be some.
    """

    webhook: Webhook
    deliveries: WebhookRows
    sender: WebhookSender
    clock: Clock
    bell: Bell = field(default_factory=Bell)
    _silences: int = 0
    _open_at_s: float = float("-inf")

    def send(self) -> int:
        """Send what is due.

        Returns how many were tried, None while the webhook rests because it did not answer.
        """
        if self.clock.monotonic() < self._open_at_s:
            return 0
        due = self.deliveries.take(
            [self.webhook.name], 1 if self._silences else AT_ONCE, LEASE_SECONDS
        )
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
        """Try one delivery and note its outcome. Returns False when the webhook did not answer."""
        try:
            body, media_type = body_of(delivery.name, delivery.body, self.webhook.source)
            headers = headers_of(
                identifier=str(delivery.delivery_id),
                seconds=self.clock.now_ms() // 1000,
                body=body,
                media_type=media_type,
                secret=self.webhook.secret,
            )
            status = self.sender.post(self.webhook.url, body, headers, private=self.webhook.private)
        except Retryable as error:
            self._failed(delivery, error.message)
            return False
        except BadInput as error:
            self._failed(delivery, error.message, gone=True)
        except Exception as error:  # noqa: BLE001 - whatever one delivery raises, the others are tried
            self._failed(delivery, f"it cannot be sent: {type(error).__name__}")
        else:
            if 200 <= status < 300:  # noqa: PLR2004 - success, as HTTP has it
                self.deliveries.delivered(delivery.delivery_id)
                WEBHOOKS.labels(self.webhook.name, "delivered").inc()
            else:
                self._failed(delivery, f"it answered {status}", gone=status == 410)  # noqa: PLR2004 - Gone
        return True

    def _failed(self, delivery: WebhookDelivery, reason: str, *, gone: bool = False) -> None:
        over = gone or delivery.attempts + 1 >= MOST_ATTEMPTS
        pause_s = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**delivery.attempts)
        self.deliveries.failed(delivery.delivery_id, reason, None if over else pause_s)
        WEBHOOKS.labels(self.webhook.name, "given_up" if over else "failed").inc()
        _log.warning(
            "webhook_failed",
            webhook=self.webhook.name,
            reason=reason,
            attempt=delivery.attempts + 1,
            given_up=over,
        )


def lanes(
    deliveries: WebhookRows, sender: WebhookSender, clock: Clock, webhooks: Mapping[str, Webhook]
) -> tuple[Lane, ...]:
    """Returns a lane for each webhook."""
    return tuple(Lane(webhook, deliveries, sender, clock) for webhook in webhooks.values())
