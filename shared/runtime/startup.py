"""Starting: a process waits for its servers instead of dying because they are not up yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_random_exponential
from tenacity.nap import sleep_using_event

from shared.domain.errors import Retryable
from shared.runtime.logs import logger

Built = TypeVar("Built")
_log = logger(__name__)


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Retryable) and state.attempt_number in {1, 5, 20}:
        _log.warning("waiting_to_start", reason=error.message)


def when_ready(build: Callable[[], Built], stopping: threading.Event) -> Built | None:
    """What `build` makes once it no longer raises Retryable; None when told to stop before."""
    retrying = Retrying(
        retry=retry_if_exception_type(Retryable),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_when_event_set(stopping),
        sleep=sleep_using_event(stopping),
        after=_say,
        reraise=True,
    )
    try:
        return retrying(build)
    except Retryable:
        return None
