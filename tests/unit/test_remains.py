"""Processes of an earlier run in a data folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from platereel.embedded import remains
from shared.adapters.clock import SystemClock

CLOCK = SystemClock()


def test_what_an_earlier_run_left_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PATIENCE_SECONDS", 0.2)
    noted = tmp_path / "children.json"
    with subprocess.Popen(["sleep", "60"]) as left:
        remains.note(noted, [left.pid])
        remains.clear(noted, CLOCK)
        assert left.wait(2) == -9


def test_another_process_with_the_same_number_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PATIENCE_SECONDS", 0.2)
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
