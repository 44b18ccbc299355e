"""Events on their way to other people's servers."""

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
    """What is still to be delivered."""

    def take(self, webhooks: Sequence[str], limit: int, lease_s: float) -> list[WebhookDelivery]:
        """Deliveries that are due; nobody else gets them for that long."""

    def put_back(self, delivery_ids: Sequence[UUID], again_s: float) -> None:
        """These were taken and not tried; they are due again after that long."""

    def delivered(self, delivery_id: UUID) -> None:
        """It arrived."""

    def failed(self, delivery_id: UUID, reason: str, again_s: float | None) -> None:
        """It did not; try again after that long, or (None) never."""


class WebhookSender(Protocol):
    """Sends one request to a webhook."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> int:
        """The answer's status. Retryable without an answer; BadInput for an address that must not be called.

        private: whether the address may be one of the own network.
        """
