"""Webhooks: events on their way to other servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event for one webhook; attempts: how often it was tried before."""

    delivery_id: UUID
    webhook: str
    name: str
    body: Mapping[str, Any]
    attempts: int


class WebhookRows(Protocol):
    """Deliveries that wait."""

    def take(self, webhooks: Sequence[str], limit: int, lease_s: float) -> list[WebhookDelivery]:
        """Returns deliveries that are due. Nobody else gets them for lease_s."""

    def put_back(self, delivery_ids: Sequence[UUID], again_s: float) -> None:
        """Return deliveries that were taken and not tried; they are due again after that long."""

    def delivered(self, delivery_id: UUID) -> None:
        """Record that the delivery arrived."""

    def failed(self, delivery_id: UUID, reason: str, again_s: float | None) -> None:
        """Record that the delivery failed; it is tried again after that long, or (None) never."""


class WebhookSender(Protocol):
    """Sends one request to a webhook."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> int:
        """Send a request.

        Returns the answer's status; raises Retryable without an answer, BadInput for an address
        that must not be called. private: whether the address may be one of the own network.
        """
