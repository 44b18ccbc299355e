"""Delivers events to webhooks, again and again with growing pauses, for about a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.errors import BadInput, PlatereelError
from shared.domain.ports import Clock, Deliveries, HookDelivery, Poster
from shared.runtime.logs import logger
from shared.runtime.metrics import WEBHOOKS
from shared.wire.webhooks import body_of, headers_of

AT_ONCE, LEASE_SECONDS = 20, 300.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, MOST_ATTEMPTS = 5.0, 7_200.0, 20

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook: where, signed with what, and whether it may be in the own network; source makes CloudEvents of it."""

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    private: bool
    source: str | None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The sender; used by one thread."""

    deliveries: Deliveries
    poster: Poster
    clock: Clock
    hooks: Mapping[str, Hook]

    def send(self) -> int:
        """Send what is due; how many were tried."""
        if not self.hooks:
            return 0
        due = self.deliveries.take(list(self.hooks), AT_ONCE, LEASE_SECONDS)
        for delivery in due:
            self._send(self.hooks[delivery.hook], delivery)
        return len(due)

    def _send(self, hook: Hook, delivery: HookDelivery) -> None:
        body, media_type = body_of(delivery.name, delivery.body, hook.source)
        headers = headers_of(
            str(delivery.delivery_id), self.clock.now_ms() // 1000, body, media_type, hook.secret
        )  # fmt: skip
        try:
            status = self.poster.post(hook.url, body, headers, private=hook.private)
        except BadInput as error:
            self._failed(hook, delivery, error.message, gone=True)
        except PlatereelError as error:
            self._failed(hook, delivery, error.message)
        else:
            if 200 <= status < 300:  # noqa: PLR2004 - success, as HTTP has it
                self.deliveries.delivered(delivery.delivery_id)
                WEBHOOKS.labels(hook.name, "delivered").inc()
            else:
                self._failed(hook, delivery, f"it answered {status}", gone=status == 410)  # noqa: PLR2004 - Gone

    def _failed(self, hook: Hook, delivery: HookDelivery, reason: str, *, gone: bool = False) -> None:
        over = gone or delivery.attempts + 1 >= MOST_ATTEMPTS
        pause_s = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**delivery.attempts)
        self.deliveries.failed(delivery.delivery_id, reason, None if over else pause_s)
        WEBHOOKS.labels(hook.name, "given_up" if over else "failed").inc()
        _log.warning("webhook_failed", hook=hook.name, reason=reason, attempt=delivery.attempts + 1, given_up=over)
