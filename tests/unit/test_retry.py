"""Whether a run is tried again: what is charged, how long the pause is, and when it is given up."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retry import (
    LONGEST_PAUSE_SECONDS,
    MAX_ATTEMPTS,
    NO_PAUSE_SECONDS,
    PARKED_PAUSE_SECONDS,
    GiveUp,
    Later,
    put_off,
    retry_decision,
)


def test_after_five_attempts_a_run_is_given_up_with_its_cause() -> None:
    told = [
        retry_decision(attempts=n, retries=0, retryable=False, cause="writer_failed")
        for n in range(1, 7)
    ]
    assert told[:4] == [Later(seconds=1, attempts=n, retries=0) for n in range(1, 5)]
    assert told[4:] == [GiveUp(cause="writer_failed")] * 2


def test_a_run_that_is_not_charged_is_never_given_up() -> None:
    attempts, retries, pauses = 4, 0, []
    for _ in range(40):
        attempts += 1  # the run begins
        decision = retry_decision(attempts=attempts, retries=retries, retryable=True, cause="never")
        assert isinstance(decision, Later)
        attempts, retries = decision.attempts, decision.retries
        pauses.append(decision.seconds)
    assert (attempts, retries) == (4, 40)
    assert pauses[:6] == [1, 2, 4, 8, 15, 15]
    assert set(pauses[6:]) == {15}


@pytest.mark.parametrize(
    ("longest_s", "pauses"), [(15.0, [8, 15, 15]), (30.0, [8, 16, 30]), (0.0, [0, 0, 0])]
)
def test_pauses_double_up_to_the_longest(longest_s: float, pauses: list[float]) -> None:
    made = [
        retry_decision(attempts=1, retries=retries, retryable=False, cause="", longest_s=longest_s)
        for retries in (3, 4, 5)
    ]
    assert made == [
        Later(seconds=s, attempts=1, retries=n) for n, s in zip(count(3), pauses, strict=False)
    ]


def test_the_pauses_are_those_that_are_promised() -> None:
    assert (LONGEST_PAUSE_SECONDS, PARKED_PAUSE_SECONDS, NO_PAUSE_SECONDS, MAX_ATTEMPTS) == (
        15,
        30,
        0,
        5,
    )
    parked = [put_off(attempts=1, retries=n, longest_s=PARKED_PAUSE_SECONDS) for n in (0, 9)]
    assert parked == [
        Later(seconds=1, attempts=0, retries=1),
        Later(seconds=30, attempts=0, retries=10),
    ]


@given(
    attempts=st.integers(1, 10**6),
    retries=st.integers(0, 10**9),
    retryable=st.booleans(),
    longest_s=st.floats(0, 3600),
)
def test_any_counts_have_a_decision(
    attempts: int, retries: int, retryable: bool, longest_s: float
) -> None:
    decision = retry_decision(
        attempts=attempts, retries=retries, retryable=retryable, cause="c", longest_s=longest_s
    )
    if isinstance(decision, GiveUp):
        assert not retryable
        assert attempts >= MAX_ATTEMPTS
        return
    assert 0 <= decision.seconds <= longest_s
    charged = attempts - decision.attempts, decision.retries - retries
    assert charged == ((1, 1) if retryable else (0, 0))
