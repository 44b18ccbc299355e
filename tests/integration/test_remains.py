"""Processes of an earlier run in a data folder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from platereel.embedded import remains
from platereel.embedded.processes import Command
from platereel.embedded.supervisor import Supervisor
from shared.adapters.clock import SystemClock
from tests.support.waiting import WAIT_SECONDS, wait_until

CLOCK = SystemClock()


def test_what_an_earlier_run_left_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PATIENCE_SECONDS", 0.05)
    noted = tmp_path / "children.json"
    with subprocess.Popen(["sleep", "60"]) as left:
        remains.note(noted, [left.pid])
        remains.clear(noted, CLOCK)
        assert left.wait(WAIT_SECONDS) == -9


def test_one_that_has_ended_is_waited_for_until_its_number_is_free(tmp_path: Path) -> None:
    """PostgreSQL takes such a number for a server that still runs."""
    noted = tmp_path / "children.json"
    with subprocess.Popen(["sleep", "60"]) as left:
        remains.note(noted, [left.pid])
        left.kill()
        threading.Timer(0.2, left.wait).start()
        remains.clear(noted, CLOCK)
        assert not Path(f"/proc/{left.pid}").exists()


def test_one_that_nobody_waits_for_holds_up_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remains, "PATIENCE_SECONDS", 0.05)
    noted = tmp_path / "children.json"
    with subprocess.Popen(["sleep", "60"]) as left:
        remains.note(noted, [left.pid])
        left.kill()
        remains.clear(noted, CLOCK)
        assert Path(f"/proc/{left.pid}").exists()


def test_another_process_with_the_same_number_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remains, "PATIENCE_SECONDS", 0.05)
    noted = tmp_path / "children.json"
    with subprocess.Popen(["sleep", "60"]) as other:
        noted.write_text(f"[[{other.pid}, 1]]")
        remains.clear(noted, CLOCK)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("text", [None, "", "[", "{}", '["a"]', "[[1]]"])
def test_a_note_that_is_none_holds_nothing_up(tmp_path: Path, text: str | None) -> None:
    noted = tmp_path / "children.json"
    if text is not None:
        noted.write_text(text)
    remains.clear(noted, CLOCK)


def test_children_that_are_asked_to_stop_can_still_be_ended_at_once(tmp_path: Path) -> None:
    """A second Ctrl-C while the first still waits for a child that is deaf to it."""
    supervisor = Supervisor(CLOCK)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )
    log = tmp_path / "deaf.log"
    supervisor.start(Command("deaf", [sys.executable, "-c", deaf], log))
    wait_until("it to be deaf", lambda: b"deaf" in log.read_bytes())
    (pid,) = supervisor.pids()["deaf"]
    second = threading.Timer(0.3, supervisor.kill)
    second.start()
    began = CLOCK.monotonic()
    supervisor.stop(["deaf"], WAIT_SECONDS)
    assert CLOCK.monotonic() - began < WAIT_SECONDS / 2
    assert not Path(f"/proc/{pid}").exists()
    assert supervisor.names() == []
