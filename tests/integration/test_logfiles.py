"""Logs of `up`: turned while children write, whole whoever is killed, and at their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from platereel.embedded import log_pipes
from platereel.embedded.log_pipes import LogPipes, _waiting
from platereel.embedded.processes import Command
from platereel.embedded.supervisor import Supervisor
from shared.adapters.clock import SystemClock
from shared.domain.errors import Permanent
from tests.support.deployment import clean_environment
from tests.support.waiting import WAIT_SECONDS, wait_until

MOST = 50_000
COUNT = """
import time
for n in range(20_000):
    print(f"line {n:08}", flush=n % 100 == 0)
print("done", flush=True)
time.sleep(60)
"""
# As slow as it must be for the files to hold all of it until the test is over.
ENDLESS = """
import itertools, time
for n in itertools.count():
    print(f"line {n:08}", flush=True)
    if n % 100 == 0:
        time.sleep(0.005)
"""
LAST_WORDS = """
import signal, sys, time
def stop(*_):
    print("last words", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("begun", flush=True)
time.sleep(60)
"""
SUPERVISE = """
import sys, time
from pathlib import Path
from platereel.embedded.log_pipes import LogPipes
from platereel.embedded.processes import Command
from platereel.embedded.supervisor import Supervisor
from shared.adapters.clock import SystemClock
pipes = LogPipes(clock=SystemClock(), most_bytes=100_000, most_files=2)
supervisor = Supervisor(SystemClock(), logs=pipes)
supervisor.start(Command("child", [sys.executable, "-c", sys.argv[1]], Path(sys.argv[2])))
print(*pipes.pids(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    pipes = LogPipes(clock=SystemClock(), most_bytes=MOST, most_files=100)
    made = Supervisor(SystemClock(), logs=pipes)
    yield made
    made.stop(made.names(), 5)
    made.close()


def child(script: str, log: Path) -> Command:
    return Command("child", [sys.executable, "-c", script], log, stop_signal=signal.SIGKILL)


def files_of(log: Path) -> list[str]:
    """What the files hold, the oldest first. While the log is turned they are read again."""

    def read() -> list[str] | None:
        older = sorted(log.parent.glob(f"{log.name}.*"), key=lambda path: -int(path.suffix[1:]))
        try:
            return [path.read_text() for path in [*older, log]]
        except FileNotFoundError:
            return None

    found: list[str] = wait_until("files that are not renamed meanwhile", read)
    return found


def rests(pid: int) -> bool:
    """Whether a process waits for something to read: what it has read is written by then."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "S"


def numbers(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")]


def test_a_log_is_turned_while_its_child_writes_and_loses_no_line(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    log = tmp_path / "child.log"
    supervisor.start(child(COUNT, log))
    wait_until("a first file", log.exists)
    wait_until("the last line", lambda: files_of(log)[-1].endswith("done\n"))
    files = files_of(log)
    assert len(files) > 3
    assert all(len(text) <= MOST and text.endswith("\n") for text in files)
    assert numbers("".join(files)) == list(range(20_000))


def test_a_writer_that_is_killed_is_replaced_and_its_child_goes_on(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    log = tmp_path / "child.log"
    supervisor.start(child(ENDLESS, log))
    wait_until("lines", lambda: log.exists() and "".join(files_of(log)))
    ((pid,),) = supervisor.pids().values()
    assert supervisor.logs is not None
    os.kill(pid, signal.SIGSTOP)
    reading = supervisor.logs._held[log]
    (writer,) = supervisor.logs.pids()
    wait_until("an empty pipe", lambda: not _waiting(reading))
    wait_until("a writer that has written what it read", lambda: rests(writer))
    os.kill(writer, signal.SIGKILL)
    os.kill(pid, signal.SIGCONT)
    wait_until("a full pipe, which the child waits for", lambda: _waiting(reading) > 60_000)
    before = sum(map(len, files_of(log)))
    wait_until("another writer", lambda: supervisor.poll() or supervisor.logs.pids() != [writer])  # type: ignore[func-returns-value, union-attr]
    wait_until("new lines", lambda: sum(map(len, files_of(log))) > before + MOST)
    assert supervisor.restarts() == 0
    os.kill(pid, signal.SIGSTOP)
    (writer,) = supervisor.logs.pids()
    wait_until("an empty pipe", lambda: not _waiting(reading))
    wait_until("a writer that has written what it read", lambda: rests(writer))
    text = "".join(files_of(log))
    assert len(text) > before + MOST
    told = numbers(text)
    assert told == list(range(len(told))), "the first line is still there, and each that followed"


def test_the_last_words_of_a_child_whose_supervisor_is_killed_are_written(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, LAST_WORDS, str(log)],
        stdout=subprocess.PIPE,
        env=clean_environment(),
    ) as running:
        assert running.stdout is not None
        writer = int(running.stdout.readline())
        wait_until("the first line", lambda: log.exists() and log.read_text() == "begun\n")
        running.kill()
    wait_until("the last line", lambda: log.read_text() == "begun\nlast words\n")
    wait_until("the end of the writer", lambda: not Path(f"/proc/{writer}").exists())


def test_why_a_child_did_not_start_is_told(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last words come through a pipe, and must not come later than the question."""
    # `up` rather begins without them than to wait for a host that stands still
    monkeypatch.setattr(log_pipes, "SETTLE_SECONDS", WAIT_SECONDS)
    monkeypatch.setattr(log_pipes, "SETTLE_STEP_SECONDS", 0.3)

    def refused() -> None:
        raise ConnectionRefusedError

    for _ in range(3):
        supervisor.start(child("raise SystemExit('no such thing')", tmp_path / "child.log"))
        with pytest.raises(Permanent, match="no such thing"):
            supervisor.await_ready("child", refused)
        supervisor.stop(["child"], WAIT_SECONDS)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path, supervisor: Supervisor) -> None:
    with pytest.raises(IsADirectoryError):
        supervisor.start(child("", tmp_path))
    assert supervisor.names() == []
