"""A broker of messages (MQTT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Message(Protocol):
    """A message; the broker keeps a retained one for those who come later."""

    @property
    def topic(self) -> str: ...

    @property
    def payload(self) -> bytes: ...

    @property
    def retained(self) -> bool: ...


class MessageBroker(Protocol):
    """One connection to a broker, made again when it broke."""

    def connect(self) -> bool:
        """Be connected. Returns True when this call connected, False when it was so before.

        Raises Retryable while the broker is away, does not answer, or refuses.
        """

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages in order. Raises Retryable unless the broker has them all."""

    def received(self) -> list[tuple[str, bytes]]:
        """Returns topics and payloads of what came for the subscriptions since the last call."""

    def close(self, last: Message) -> None:
        """Publish a last message where that can be, and disconnect."""
