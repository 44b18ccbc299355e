"""Who waits too long for the database is ended; who only looks late is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import pytest

from shared.adapters.postgres import database
from shared.adapters.postgres.deadline import AnswerDeadline
from tests.support.waiting import WAIT_SECONDS


class Clock:
    """Lets these times pass between the watcher's looks, then stands."""

    def __init__(self, steps_s: Iterable[float]) -> None:
        self._steps = iter(steps_s)
        self._now_s = 0.0
        self.begin, self.stands = threading.Event(), threading.Event()

    def now_ms(self) -> int:
        return round(self._now_s * 1000)

    def monotonic(self) -> float:
        return self._now_s

    def sleep(self, _: float) -> None:
        assert self.begin.wait(WAIT_SECONDS)
        step_s = next(self._steps, None)
        if step_s is None:
            self.stands.set()
            threading.Event().wait()
        else:
            self._now_s += step_s


class Line:
    """A connection's socket."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.closed = False

    def fileno(self) -> int:
        return self.ours.fileno()

    def close(self) -> None:
        self.closed = True

    @property
    def shut(self) -> bool:
        self.theirs.setblocking(False)
        try:
            return self.theirs.recv(1) == b""
        except BlockingIOError:
            return False


@contextmanager
def line() -> Iterator[Line]:
    made = Line()
    with made.ours, made.theirs:
        yield made


@pytest.mark.parametrize(
    ("steps_s", "ended"),
    [
        ([0.5] * 5, False),
        ([0.5] * 8, True),
        # the process was stopped for a minute, and its answer has long been there
        ([60.0, 0.5], False),
        ([60.0, 60.0, 60.0, 60.0], True),
    ],
)
def test_a_wait_is_as_long_as_the_process_could_look(steps_s: list[float], *, ended: bool) -> None:
    clock = Clock(steps_s)
    with line() as connection:
        with AnswerDeadline(clock).within(cast("psycopg.Connection[Any]", connection), 3.0):
            clock.begin.set()
            assert clock.stands.wait(WAIT_SECONDS)
            assert connection.shut == ended
        # Nobody is given a connection whose line is shut.
        assert connection.closed == ended


def test_a_check_whose_answer_came_too_late_passes_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock([60.0] * 9)
    monkeypatch.setattr(database, "patience", AnswerDeadline(clock))

    def check(_: object) -> None:
        clock.begin.set()
        assert clock.stands.wait(WAIT_SECONDS)

    monkeypatch.setattr("psycopg_pool.ConnectionPool.check_connection", check)
    with line() as connection, pytest.raises(psycopg.OperationalError, match="too late"):
        database._check(cast("Any", connection))
