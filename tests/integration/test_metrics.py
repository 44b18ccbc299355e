"""Counters that several processes count together: summed, kept when a process ends, never twice,
never backwards.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from platereel.cli.counting import count
from platereel.embedded.processes import free_ports
from services.api import errors
from services.api.routes import probes
from shared.domain.errors import Retryable
from shared.runtime import metrics_folder
from shared.runtime.configuration import ConfigurationError
from shared.runtime.metrics_folder import MetricsFolder
from shared.runtime.metrics_room import ROOM_BYTES
from shared.runtime.settings import Settings
from tests.support.waiting import WAIT_SECONDS

ROOT = Path(__file__).parents[2]
COUNT = """
import os, sys
from pathlib import Path
from shared.runtime.metrics_folder import MetricsFolder
MetricsFolder(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])).enter()
from shared.runtime.metrics import CAMERA_OK, FRAMES, LATENESS, LIVE_SEGMENTS
FRAMES.labels("gate-1").inc(int(sys.argv[1]))
LATENESS.labels("gate-1").observe(3)
CAMERA_OK.labels("gate-1").set(1)
LIVE_SEGMENTS.set(7)
print("counted", flush=True)
sys.stdin.read()
"""


def counting(folder: Path, frames: int) -> subprocess.Popen[str]:
    """A process that has counted, and lives until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", COUNT, str(frames)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        process.kill()
    process.communicate()


def samples(folder: Path) -> dict[str, float]:
    """Every sample's value; a label that stands in the way of reading is left out."""
    return {
        f"{each.name}{each.labels.get('le', '')}": each.value
        for family in MetricsFolder(folder).collect()
        for each in family.samples
    }


STOP_IN_A_FOLD = """
import os, signal, sys
from pathlib import Path
from shared.runtime import metrics_folder
from shared.runtime.metrics_folder import MetricsFolder
unlink = Path.unlink
def stop(path, missing_ok=False):
    if not path.name.endswith(".new"):
        print("folding", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    unlink(path, missing_ok=missing_ok)
Path.unlink = stop
MetricsFolder(Path(sys.argv[1])).enter()
"""


@contextmanager
def stopped_in_a_fold(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that stands where the sum is written and what was summed is not yet removed; it
    holds the folder.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", STOP_IN_A_FOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "folding\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_process_that_stands_in_a_fold_holds_up_nobody(tmp_path: Path) -> None:
    """Others begin and count; a scrape that cannot be told rightly says so, and no counter goes
    back.
    """
    end(counting(tmp_path, 3))
    with stopped_in_a_fold(tmp_path) as standing:
        began = time.monotonic()
        MetricsFolder(tmp_path).enter()
        assert time.monotonic() - began < 20
        fresh = counting(tmp_path, 4)
        began = time.monotonic()
        with pytest.raises(Retryable, match="another process holds the counters"):
            samples(tmp_path)
        assert time.monotonic() - began < 20
        while standing.poll() is None:  # it stops at each file that it removes
            standing.send_signal(signal.SIGCONT)
            time.sleep(0.01)
    assert samples(tmp_path)["platereel_frames_total"] == 7
    end(fresh)
    assert samples(tmp_path)["platereel_frames_total"] == 7


def test_scrapes_are_answered_while_a_process_stands_in_a_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the API, and by the small process beside a worker."""
    api = FastAPI()
    errors.install(api)
    api.include_router(probes.router)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    end(counting(tmp_path, 3))
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)) as listening:
        beside = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "shared.runtime.metrics_server",
                str(listening.fileno()),
                str(os.getpid()),
                "json",
            ],
            stdin=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            cwd=ROOT,
        )
    try:
        with stopped_in_a_fold(tmp_path):
            with pytest.raises(HTTPError, match="503") as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_SECONDS)
            assert b"another process holds the counters" in refused.value.read()
            with TestClient(api) as client:
                answer = client.get("/metrics")
            assert (answer.status_code, "another process" in answer.json()["detail"]) == (503, True)
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/metrics", timeout=WAIT_SECONDS
        ) as whole:
            assert b"platereel_frames_total" in whole.read()
    finally:
        beside.communicate()


def test_counters_add_up_over_processes_and_outlive_them(tmp_path: Path) -> None:
    first, second = counting(tmp_path, 3), counting(tmp_path, 4)
    both = samples(tmp_path)
    assert both["platereel_frames_total"] == 7
    assert (
        both["platereel_detection_late_seconds_bucket5.0"]
        == both["platereel_detection_late_seconds_count"]
        == 2
    )
    assert (both["platereel_live_segments"], both["platereel_camera_ok"]) == (7, 1)
    end(first)
    end(second, kill=True)
    ended = samples(tmp_path)
    gauges = {"platereel_live_segments", "platereel_camera_ok"}
    assert ended == {name: value for name, value in both.items() if name not in gauges}
    assert samples(tmp_path) == ended
    third = counting(tmp_path, 5)
    assert samples(tmp_path)["platereel_frames_total"] == 12
    end(third)


def test_files_do_not_grow_with_every_process_that_ever_ran(tmp_path: Path) -> None:
    """Nobody scrapes here: each process that begins folds those that ended before."""
    for _ in range(4):
        end(counting(tmp_path, 1), kill=True)
    assert len(list(tmp_path.glob("*.db"))) <= 3 + 2
    assert samples(tmp_path)["platereel_frames_total"] == 4
    assert sorted(path.name for path in tmp_path.glob("*.db")) == [
        "counter_ended.db",
        "histogram_ended.db",
    ]


def test_torn_and_empty_files_cost_only_themselves(tmp_path: Path) -> None:
    end(counting(tmp_path, 2))
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    (tmp_path / "histogram_1.db").write_bytes(b"\xff\xff\xff\x00" + b"\x01" * 60)
    assert samples(tmp_path)["platereel_frames_total"] == 2


def test_a_full_disk_leaves_the_counts_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(counting(tmp_path, 2))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as without_room:
        without_room.setattr(metrics_folder, "reserve", full)
        assert samples(tmp_path)["platereel_frames_total"] == 2
    assert samples(tmp_path)["platereel_frames_total"] == 2


def test_files_have_their_room_before_they_are_written(tmp_path: Path) -> None:
    process = counting(tmp_path, 1)
    for path in tmp_path.glob("*.db"):
        assert path.stat().st_blocks * 512 >= ROOM_BYTES, path
    end(process)


def test_more_cameras_than_there_was_room_for_are_folded_too(tmp_path: Path) -> None:
    script = COUNT.replace(
        "print(", "for n in range(400): LATENESS.labels('camera-' + str(n)).observe(1)\nprint("
    )
    subprocess.run(
        [sys.executable, "-c", script, "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
    )
    found = [each for family in MetricsFolder(tmp_path).collect() for each in family.samples]
    assert sum(each.name.endswith("late_seconds_count") for each in found) == 401


def test_a_process_that_never_sets_a_gauge_does_not_say_zero() -> None:
    """The least of what all processes tell would be its word."""
    script = (
        "from prometheus_client import Gauge, REGISTRY; from shared.runtime import metrics\n"
        "print(*[name for name, each in vars(metrics).items() if isinstance(each, Gauge)"
        " and not each._labelnames and each._value.get() == 0])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    assert told.split() == []


@pytest.mark.parametrize("command", ["cleanup", "capture"])
def test_the_shell_does_not_say_where_a_command_counts(tmp_path: Path, command: str) -> None:
    script = (
        "import sys; from platereel.cli.beginnings import before_anything; before_anything(sys.argv[1:]); "
        "from shared.runtime.metrics import FRAMES; FRAMES.labels('gate-1').inc()"
    )
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script, command], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            count(Settings(metrics_port=port), "api")
    (problem,) = caught.value.problems
    assert problem == f"metrics_port: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_the_command_does_not_load_the_library_before_it_knows_where_to_count() -> None:
    script = "import platereel.cli, platereel.cli.counting, sys; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
