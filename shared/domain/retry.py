"""Whether and when a run that did not succeed is tried again. A row counts two things.

`attempts` are the runs that are charged, with the present one. `retries` are the runs that failed
through no fault of their own and are not charged: while storage is away, a part must not use up its
attempts.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_ATTEMPTS = 5  # of one part, or of finalising one segment
# while a server is away: short, so that clips are made soon after it is back
LONGEST_PAUSE_SECONDS = 15.0
# Of a part whose packets are parked. After an outage of minutes many of them wait, and none needs
# its frames.
PARKED_PAUSE_SECONDS = 30.0
NO_PAUSE_SECONDS = 0.0  # of a run whose lease ran out: the lease was the pause
_MOST_DOUBLINGS = 10  # so that the power stays a small number


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Try again after `seconds`. The row gets these counts."""

    seconds: float
    attempts: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Do not try again. cause: the error that the row gets."""

    cause: str


def retry_decision(
    *,
    attempts: int,
    retries: int,
    retryable: bool,
    cause: str,
    longest_s: float = LONGEST_PAUSE_SECONDS,
) -> Later | GiveUp:
    """Returns whether a run that did not succeed is tried again, by the counts of its row.

    retryable: the same run may succeed later, so it is not charged. cause: the error after the last
    attempt. Pauses double from one second with each run that was not charged, up to longest_s.
    """
    if retryable:
        return put_off(attempts=attempts, retries=retries, longest_s=longest_s)
    if attempts >= MAX_ATTEMPTS:
        return GiveUp(cause=cause)
    return Later(seconds=_pause_s(retries, longest_s), attempts=attempts, retries=retries)


def put_off(*, attempts: int, retries: int, longest_s: float) -> Later:
    """Returns when a run is tried again that is not charged."""
    return Later(seconds=_pause_s(retries, longest_s), attempts=attempts - 1, retries=retries + 1)


def _pause_s(retries: int, longest_s: float) -> float:
    return min(longest_s, 2.0 ** min(retries, _MOST_DOUBLINGS))
