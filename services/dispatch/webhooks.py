"""Posts events to webhooks, for about a day where one does not take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.dispatch.lanes import Lane, Refused
from shared.domain.ports import Clock, WebhookDelivery, WebhookRows, WebhookSender
from shared.wire.webhooks import body_of, headers_of

GONE = 410


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


@dataclass(frozen=True, slots=True)
class Post:
    """The way to one webhook."""

    webhook: Webhook
    sender: WebhookSender
    clock: Clock

    def carry(self, delivery: WebhookDelivery) -> Refused | None:
        """Post a signed event. Returns why the webhook did not take it: its status is no 2xx."""
        body, media_type = body_of(delivery.name, delivery.body, self.webhook.source)
        headers = headers_of(
            identifier=str(delivery.delivery_id),
            seconds=self.clock.now_ms() // 1000,
            body=body,
            media_type=media_type,
            secret=self.webhook.secret,
        )
        status = self.sender.post(self.webhook.url, body, headers, private=self.webhook.private)
        if 200 <= status < 300:  # noqa: PLR2004 - success, as HTTP has it
            return None
        return Refused(f"it answered {status}", gone=status == GONE)


def webhook_lane(
    webhook: Webhook, deliveries: WebhookRows, sender: WebhookSender, clock: Clock
) -> Lane:
    """Returns the lane of a webhook."""
    return Lane(webhook.name, Post(webhook, sender, clock), deliveries, clock)


def webhook_lanes(
    deliveries: WebhookRows, sender: WebhookSender, clock: Clock, webhooks: Mapping[str, Webhook]
) -> tuple[Lane, ...]:
    """Returns a lane for each webhook."""
    return tuple(webhook_lane(each, deliveries, sender, clock) for each in webhooks.values())
