"""Logs as JSON: what nobody caught, what a library prints, what a warning says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import logging, sys, threading, warnings
from shared.runtime.logs import configure, log_everything
configure("probe", "info", "json")
log_everything()
configure("probe", "info", "json")
log_everything()
"""


def said(program: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status and the events of a program; a line that is no JSON fails."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""  # nothing goes past the log
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("program", "status", "event"),
    [
        ("raise ValueError('redis://u:hidden@h')", 1, "process_crashed"),
        ("t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", 0, "thread_crashed"),
        (
            "class Bad:\n  def __del__(self): raise ValueError('x')\nbad = Bad(); del bad",
            0,
            "error_nobody_can_catch",
        ),
    ],
)
def test_what_nobody_caught_is_one_event(program: str, status: int, event: str) -> None:
    ended, events = said(program)
    assert (ended, [each["event"] for each in events]) == (status, [event])
    assert "Traceback" in events[0]["exception"]
    assert events[0]["process"] == "probe"
    assert "hidden" not in str(events)


def test_a_thread_may_end_itself() -> None:
    assert said("t = threading.Thread(target=sys.exit); t.start(); t.join()") == (0, [])


def test_what_is_printed_is_an_event_a_line() -> None:
    _, events = said("print('one\\ntwo'); sys.stderr.write('three, '); sys.stderr.write('the end')")
    assert [(each["event"], each["line"]) for each in events] == [
        ("printed", "one"), ("printed", "two"), ("printed", "three, the end"),
    ]  # fmt: skip
    assert {each["process"] for each in events} == {"probe"}


def test_how_a_program_ends_is_an_event() -> None:
    ended, (event,) = said("sys.exit('that was it')")
    assert (ended, event["line"]) == (1, "that was it")


def test_a_warning_and_a_message_of_a_library_are_events() -> None:
    _, events = said(
        "warnings.warn('old', DeprecationWarning); logging.getLogger('lib').error('no %s', 'way')"
    )
    assert "DeprecationWarning: old" in events[0]["event"]
    assert (events[1]["event"], events[1]["level"]) == ("no way", "error")


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    """Logging prints its own failures, which are logged again: once, and not for ever."""
    program = "logging.getLogger('lib').error('%d', 'no number')\nprint('still here')"
    _, events = said(program)
    assert any("still here" in str(event) for event in events)
    assert all(event["event"] == "printed" for event in events)


def test_a_line_says_whose_it_is_whichever_thread_wrote_it() -> None:
    program = "t = threading.Thread(target=logging.getLogger('lib').error, args=('here',)); t.start(); t.join()"
    _, (event,) = said(program)
    assert (event["event"], event["process"], type(event["pid"])) == ("here", "probe", int)


def test_a_line_after_a_fork_has_the_childs_number() -> None:
    program = "import os, structlog\nlog = structlog.get_logger('lib')\nlog.error('one')\nif os.fork() == 0:\n"
    program += "    log.error('two')\n    os._exit(0)\nos.wait()"
    _, (before, after) = said(program)
    assert (before["event"], after["event"]) == ("one", "two")
    assert before["pid"] != after["pid"]
