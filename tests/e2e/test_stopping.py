"""However a deployment is ended, nothing of it stays behind, and the next one in its folder
starts.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from platereel.embedded.stack import claim
from shared.domain.errors import Permanent
from tests.support.chaos import FULL
from tests.support.deployment import Deployment, platereel
from tests.support.waiting import WAIT_SECONDS, wait_until

CONFIG = """
cameras:
  mine: {source: "push:", detect: false}
"""


def processes_of(folder: Path) -> list[int]:
    """Processes whose command or environment names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in told:
                found.append(int(entry.name))
    return found


def gone(folder: Path, within: float) -> None:
    wait_until("every process to end", lambda: not processes_of(folder), within)


def test_nothing_stays_behind(tmp_path: Path) -> None:
    """Also in a folder whose name is no word of a configuration file."""
    folder = tmp_path / 'it\'s a "folder" #1 %41'
    deployment = Deployment(folder, CONFIG)
    deployment.start()
    assert deployment.process is not None
    assert len(processes_of(folder)) > 8
    until = time.monotonic() + 3
    while deployment.process.poll() is None and time.monotonic() < until:
        deployment.process.send_signal(signal.SIGINT)  # two may arrive as one, on a busy machine
        time.sleep(0.05)
    assert deployment.process.wait(10) == 128 + signal.SIGINT
    gone(folder, 10)
    (folder / "data" / "run.json").unlink()
    deployment.start()
    deployment.process.send_signal(signal.SIGKILL)
    deployment.process.wait(WAIT_SECONDS)
    gone(folder, 20)


@pytest.mark.skipif(
    not FULL, reason="make chaos runs it; SIGTERM ends every other test's deployment"
)
def test_a_terminal_that_is_closed_ends_it(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "hung-up", CONFIG)
    # under nohup it is ignored, which a deployment respects
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        deployment.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert deployment.process is not None
    deployment.process.send_signal(signal.SIGHUP)
    assert deployment.process.wait(WAIT_SECONDS) == 0
    gone(deployment.folder, 10)


def test_a_start_can_be_given_up(tmp_path: Path) -> None:
    """Ctrl-C before everything is up: no waiting for what nobody wants any more."""
    deployment = Deployment(tmp_path / "given-up", CONFIG)
    log = deployment.folder / "up.log"
    deployment.begin()
    assert deployment.process is not None
    wait_until("the first server", (deployment.folder / "data" / "children.json").exists)
    deployment.process.send_signal(signal.SIGINT)
    assert deployment.process.wait(20) == 1
    assert "stopped before everything was up" in log.read_text()
    gone(deployment.folder, 10)


def test_a_folder_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Names of ours may be theirs, and closing it would shut them out."""
    theirs = tmp_path / "shared" / "metrics"
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").write_text("theirs")
    (tmp_path / "shared").chmod(0o755)
    (tmp_path / "platereel.yaml").write_text(CONFIG)
    for _ in range(2):
        refused = platereel(
            "up",
            "--config",
            str(tmp_path / "platereel.yaml"),
            "--data",
            str(tmp_path / "shared"),
            "--port",
            "0",
        )
        assert refused.returncode == 1
        assert "metrics" in refused.stderr
        assert "a folder of its own" in refused.stderr
    assert (theirs / "notes.txt").read_text() == "theirs"
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["metrics"]
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755
    # as `make demo` and then `platereel up` have them
    for folder in (tmp_path / "data" / "demo", tmp_path / "data"):
        claim(folder)
        claim(folder)
    with pytest.raises(Permanent, match="metrics"):
        claim(tmp_path / "shared")
    # as somebody has it who copied a store back, to restore its newest backup
    (tmp_path / "copied" / "storage").mkdir(parents=True)
    with pytest.raises(Permanent, match="storage"):
        claim(tmp_path / "copied")
    claim(tmp_path / "copied", brought="storage")
