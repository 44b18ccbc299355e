"""Keeps a run's lease while its work makes progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from shared.domain.errors import PlatereelError
from shared.domain.lifecycle import LEASE_SECONDS
from shared.domain.ownership import deadline_s
from shared.domain.ports import Clock
from shared.runtime.logs import logger

RENEW_SECONDS = 2.0
MARGIN_SECONDS = 1.0  # a writer must stop before another run may begin

_log = logger(__name__)


class Lease:
    """Renews every two seconds on a thread of its own, for as long as `progress` is called.

    since: when the lease was asked for, by the clock's monotonic time. still_s: after so long
    without progress the work is taken for hung: the lease is let go, so that another run takes
    over, and `stalled` is called. A renewal that fails because the database is away is tried again.
    """

    def __init__(
        self,
        renew: Callable[[], bool],
        clock: Clock,
        *,
        since: float,
        still_s: float,
        stalled: Callable[[], None] = lambda: None,
    ) -> None:
        self._renew, self._clock, self._still_s, self._stalled = renew, clock, still_s, stalled
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lease")
        self._moved_at = clock.monotonic()
        self._until = deadline_s(since, LEASE_SECONDS)
        self.lost = False

    def progress(self) -> None:
        """Say that the work has come further."""
        self._moved_at = self._clock.monotonic()

    def holds(self) -> bool:
        """Returns whether the lease is certain to last for another moment.

        Asking counts as progress.
        """
        self.progress()
        return not self.lost and self._clock.monotonic() < self._until - MARGIN_SECONDS

    def _run(self) -> None:
        while not self._done.wait(RENEW_SECONDS):
            asked_at = self._clock.monotonic()
            if asked_at - self._moved_at > self._still_s:
                self.lost = True
                _log.error("work_stands_still", seconds=self._still_s)
                self._stalled()
                return
            try:
                if not self._renew():
                    self.lost = True
                    return
            except PlatereelError as error:
                _log.warning("lease_not_renewed", error=error.message)
            else:
                self._until = deadline_s(asked_at, LEASE_SECONDS)

    def __enter__(self) -> Self:
        """Start renewing."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop renewing."""
        self._done.set()
        self._thread.join(timeout=RENEW_SECONDS)
