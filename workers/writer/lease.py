"""Keeps a run's lease while its work goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from shared.domain.errors import PlatereelError
from shared.runtime.logs import logger

RENEW_SECONDS = 2.0

_log = logger(__name__)


class Lease:
    """Renews every two seconds on a thread of its own, at most until the task's time limit; `lost` once it is not ours.

    A renewal that fails because the database is away is tried again: the commit decides, not this flag.
    """

    def __init__(self, renew: Callable[[], bool], limit_s: float) -> None:
        self._renew = renew
        self._left = int(limit_s / RENEW_SECONDS)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lease")
        self.lost = False

    def _run(self) -> None:
        while self._left > 0 and not self._done.wait(RENEW_SECONDS):
            self._left -= 1
            try:
                if not self._renew():
                    self.lost = True
                    return
            except PlatereelError as error:
                _log.warning("lease_not_renewed", error=error.message)

    def __enter__(self) -> Self:
        """Start renewing."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        self._done.set()
        self._thread.join(timeout=RENEW_SECONDS)
