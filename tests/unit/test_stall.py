"""A worker that takes no work while there is some."""

from __future__ import annotations

from workers.process.stall import PATIENCE_SECONDS, Stall


def looks(*steps: tuple[float, bool, bool, int]) -> list[bool]:
    stall = Stall()
    return [
        stall.look(now, waiting=waiting, busy=busy, taken=taken)
        for now, waiting, busy, taken in steps
    ]


def test_idle_beside_a_queue_that_has_work_for_too_long_is_a_stall() -> None:
    late = PATIENCE_SECONDS + 2.1
    assert looks((0, True, False, 7), (1, True, False, 7), (2, True, False, 7), (late, True, False, 7)) == [
        False, False, False, True,
    ]  # fmt: skip


def test_work_taken_a_busy_pool_or_an_empty_queue_is_none() -> None:
    for middle in ((5.0, True, False, 8), (5.0, True, True, 7), (5.0, False, False, 7)):
        assert not any(
            looks((0, True, False, 7), (1, True, False, 7), middle, (8, True, False, middle[3]))
        )


def test_the_first_look_never_ends_a_worker() -> None:
    assert looks((1000.0, True, False, 0), (2000.0, True, False, 0)) == [False, False]
