"""Which messages the intake works on, and how far it is behind the doors."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from shared.domain.ports import Clock, DetectionDelivery, DetectionStream

# A detection this young is not late: an exchange with the broker, and a look of the pacer.
PUNCTUAL_SECONDS = 1.0


class InHand:
    """Owned by one intake. Read by the thread that keeps its messages, and by the pacer.

    Seconds are of this process's monotonic clock: a process that was stopped knows, when it goes
    on, that it has not looked for that long.
    """

    def __init__(self, stream: DetectionStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._messages: set[str] = set()
        self._waiting_since_s: float | None = None
        self._unread_s = 0.0
        self._looked_s = clock.monotonic()

    @contextmanager
    def working_on(self, deliveries: Sequence[DetectionDelivery]) -> Iterator[None]:
        """Between reading messages and settling them."""
        with self._lock:
            self._messages = {delivery.entry_id for delivery in deliveries}
            waited_s = max((delivery.waited_s for delivery in deliveries), default=0.0)
            self._waiting_since_s = self._clock.monotonic() - waited_s
        try:
            yield
        finally:
            with self._lock:
                self._messages, self._waiting_since_s = set(), None

    def settle(self, entry_ids: Iterable[str]) -> None:
        """Note that these are settled; they need not be kept any more."""
        with self._lock:
            self._messages.difference_update(entry_ids)

    def look(self) -> None:
        """Tell the broker that messages are still worked on, and ask what waits there.

        Raises Retryable.
        """
        with self._lock:
            messages = list(self._messages)
        self._stream.keep(messages)
        at_s = self._clock.monotonic()
        unread_s = self._stream.unread_s()
        with self._lock:
            self._unread_s, self._looked_s = unread_s, at_s

    def behind_s(self) -> float:
        """Returns how late (s) a detection may still come that was sent on time; 0 when the doors
        are empty.
        """
        now_s = self._clock.monotonic()
        with self._lock:
            worked_s = 0.0 if self._waiting_since_s is None else now_s - self._waiting_since_s
            behind_s = max(worked_s, self._unread_s + now_s - self._looked_s)
        return behind_s if behind_s > PUNCTUAL_SECONDS else 0.0
