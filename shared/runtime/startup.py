"""Starting: a process waits for its servers instead of ending because they are not up yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.nap import sleep_using_event

from shared.domain.errors import NotFound, PlatereelError, Retryable, told
from shared.runtime.logs import logger

OFTEN = 50  # tries: a few minutes
_PAUSES = wait_random_exponential(multiplier=0.2, max=5)

Built = TypeVar("Built")
_log = logger(__name__)


class _Teller:
    """Logs why a start waits: at once, when the reason changes, and now and then while it stays."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, Retryable):
            return
        reason, number = told(error), state.attempt_number
        if reason != self._said or number in {5, 20} or number % OFTEN == 0:
            _log.warning("waiting_to_start", reason=reason)
        self._said = reason


def tell_refusals(checks: Mapping[str, Callable[[], object]]) -> None:
    """Ask each server once, and log those that cannot be used, with the reason.

    Nobody waits for them.
    """
    for server, check in checks.items():
        try:
            check()
        except NotFound:
            continue  # it answers; who needs what is missing there reports it
        except PlatereelError as error:
            _log.warning("server_not_usable", server=server, reason=told(error))


def when_ready(build: Callable[[], Built], stopping: threading.Event) -> Built | None:
    """Returns what `build` makes once it no longer raises Retryable; None when told to stop
    before.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(Retryable),
        wait=_PAUSES,
        stop=stop_when_event_set(stopping),
        sleep=sleep_using_event(stopping),
        after=_Teller(),
        reraise=True,
    )
    try:
        return retrying(build)
    except Retryable:
        return None


def ready_within(build: Callable[[], Built], seconds: float) -> Built:
    """As `when_ready`, for a command that ends: what `build` raises is raised when that time is
    over.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(Retryable),
        wait=_PAUSES,
        stop=stop_before_delay(seconds),
        after=_Teller(),
        reraise=True,
    )
    return retrying(build)
