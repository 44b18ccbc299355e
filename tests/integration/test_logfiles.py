"""Logs of `up`: bounded while a child writes, whole but for that, and left alone where there is no
room.
"""

from __future__ import annotations

import errno
import shutil
import sys
import time
from pathlib import Path

import pytest

from platereel.embedded.logfiles import bound
from platereel.embedded.processes import Command
from platereel.embedded.supervisor import Supervisor
from shared.adapters.clock import SystemClock
from tests.support.waiting import WAIT_SECONDS

MOST = 50_000
WRITE = """
import itertools, time
for n in itertools.count():
    print(f"line {n:08}", flush=True)
    if n % 500 == 0:
        time.sleep(0.01)
"""


def test_a_child_goes_on_in_a_log_that_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bound, "__defaults__", (MOST,))
    log = tmp_path / "child.log"
    supervisor = Supervisor(SystemClock())
    supervisor.start(Command("child", [sys.executable, "-c", WRITE], log))
    try:
        turned, until = 0, time.monotonic() + WAIT_SECONDS
        while turned < 3 and time.monotonic() < until:
            before = log.stat().st_size
            supervisor.poll()
            turned += log.stat().st_size < before
            time.sleep(0.02)
    finally:
        supervisor.stop(["child"], 5)
    assert turned == 3
    kept = [(tmp_path / name).read_text() for name in ("child.log.1", "child.log")]
    assert "\0" not in kept[1]  # it was written from its beginning, and no hole lies before
    old, new = (
        [int(line.split()[1]) for line in text.split("\n")[:-1] if line.startswith("line ")]
        for text in kept
    )
    assert old == list(range(old[0], old[-1] + 1))
    assert new[-1] > old[-1]
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "child.log": 0o600, "child.log.1": 0o600,
    }  # fmt: skip


def test_a_copy_is_private_whatever_a_killed_run_left(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("x" * (MOST + 1))
    (tmp_path / "child.log.new").touch(mode=0o644)
    bound(log, MOST)
    assert (tmp_path / "child.log.1").stat().st_mode & 0o777 == 0o600


def test_a_log_that_grew_before_begins_anew_with_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bound, "__defaults__", (MOST,))
    log = tmp_path / "child.log"
    log.write_text("x" * (MOST + 1))
    supervisor = Supervisor(SystemClock())
    supervisor.start(
        Command("child", [sys.executable, "-c", "print('begun', flush=True); input()"], log)
    )
    supervisor.stop(["child"], 5)
    assert (tmp_path / "child.log.1").stat().st_size == MOST + 1
    assert log.stat().st_size < 1000


@pytest.mark.parametrize("size", [0, MOST])
def test_a_small_log_stays(tmp_path: Path, size: int) -> None:
    log = tmp_path / "child.log"
    log.write_text("x" * size)
    bound(log, MOST)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [size]


def test_on_a_full_disk_nothing_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where there is no room to begin with, nor where it runs out in the middle; and no
    half copy stays.
    """

    def runs_out(_: Path, target: Path) -> None:
        target.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    log = tmp_path / "child.log"
    log.write_text("x" * (MOST + 1))
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, MOST))
        bound(log, MOST)
    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", runs_out)
        bound(log, MOST)
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [
        ("child.log", MOST + 1)
    ]


def test_a_log_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    bound(tmp_path / "none.log", MOST)
    assert list(tmp_path.iterdir()) == []
