"""A port of its own for each process: counters of a real recording, and what becomes of the port
and its folder.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shutil import rmtree
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from platereel.embedded.processes import free_ports
from shared.domain.media import Detection
from tests.support.processes import Process, environment_of, process
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import World

ALONE = (
    ("dispatch",),
    ("worker", "--concurrency", "1"),
    ("beat",),
    ("api",),
    ("capture",),
    ("detect",),
)
CONFIG = """
defaults: {buffer_seconds: 1, post_event_seconds: 1, part_seconds: 1, trigger_slack_seconds: 60}
cameras: {cam: {source: "synthetic:numbered?fps=10&size=64x64", detect: false}}
"""


def scraped(port: int) -> dict[str, float]:
    """Every sample's sum over its labels, by name."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port}/metrics", timeout=WAIT_SECONDS
    ) as response:
        text = response.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            found[each.name] = found.get(each.name, 0.0) + each.value
    return found


def answering(port: int) -> dict[str, float]:
    def look() -> dict[str, float] | None:
        try:
            return scraped(port)
        except OSError:
            return None

    answer: dict[str, float] = wait_until(f"metrics at {port}", look)
    return answer


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_server(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False  # it has ended since it was listed
    return b"shared.runtime.metrics_server" in command


@pytest.mark.parametrize("arguments", ALONE, ids=lambda arguments: arguments[0])
def test_each_process_answers_at_its_port(
    world: World, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (port,) = free_ports(1)
    environment = environment_of(world, PLATEREEL_METRICS_PORT=str(port))
    with process(tmp_path, environment, *arguments) as running:
        answer = answering(port)
        assert answer["process_resident_memory_bytes"] > 0
        seconds = Path(f"/proc/{running.child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        begun = float(seconds) / os.sysconf("SC_CLK_TCK")
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if "btime" in line
        )
        # of this very process
        assert answer["process_start_time_seconds"] == pytest.approx(boot + begun, abs=1)


def test_a_port_that_is_taken_is_named(world: World, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = environment_of(world, PLATEREEL_METRICS_PORT=port)
        for arguments in (("capture",), ("worker",)):
            with process(tmp_path, environment, *arguments) as running:
                assert running.child.wait(WAIT_SECONDS) == 1
            assert f"metrics_port: cannot listen on 127.0.0.1:{port}" in running.said()
            assert "Traceback" not in running.said()


def test_a_recording_is_counted_where_it_was_made(world: World, tmp_path: Path) -> None:
    """Of the worker it is children that count; they may die, and what they have counted stays."""
    broker = world.settings.broker_url
    assert broker is not None
    ports = dict(zip(("capture", "dispatch", "worker"), free_ports(3), strict=True))
    running: dict[str, Process] = {}
    with ExitStack() as stack:
        for name, port in ports.items():
            environment = environment_of(world, PLATEREEL_METRICS_PORT=str(port))
            environment["PLATEREEL_BROKER_URL"] = broker.get_secret_value().replace("/0", "/9")
            running[name] = stack.enter_context(process(tmp_path, environment, name, config=CONFIG))
        for port in ports.values():  # a frame must not leave the buffer while one still begins
            answering(port)
        wait_until(
            "frames", lambda: answering(ports["capture"]).get("platereel_frames_total", 0) > 20
        )
        frame = world.frames.newest("cam")
        assert frame is not None
        world.detections.publish(
            Detection(
                detection_id="counted",
                camera_id="cam",
                captured_ms=frame.captured_ms,
                confidence=0.9,
                plate=None,
                bbox=None,
            )
        )

        def counted() -> dict[str, float] | None:
            found = answering(ports["worker"])
            return found if found.get("platereel_segments_total") else None

        made = wait_until("a segment", counted)
        assert made["platereel_segments_total"] == 1
        assert made["platereel_parts_total"] == made["platereel_part_seconds_count"] >= 2
        told = answering(ports["dispatch"])
        assert (
            told["platereel_detections_total"],
            told["platereel_detection_late_seconds_count"],
        ) == (1, 1)
        worker = running["worker"].child.pid
        server, pool = wait_until("the worker's children", lambda: _sorted_children(worker))
        for pid in (server, *pool):
            os.kill(pid, signal.SIGKILL)
        wait_until("other children", lambda: _replaced(worker, {server, *pool}))
        again = answering(ports["worker"])
        for name in (
            "platereel_segments_total",
            "platereel_parts_total",
            "platereel_part_seconds_count",
        ):
            assert again[name] == made[name]


def _sorted_children(pid: int) -> tuple[int, list[int]] | None:
    found = children(pid)
    servers = [each for each in found if is_server(each)]
    pool = [each for each in found if each not in servers]
    return (servers[0], pool) if len(servers) == 1 and len(pool) == 2 else None


def _has_children(pid: int, count: int) -> bool:
    return len(children(pid)) == count


def _replaced(pid: int, old: set[int]) -> bool:
    found = _sorted_children(pid)
    return found is not None and not old & {found[0], *found[1]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_worker_leaves_nothing_behind_and_its_main_process_has_no_thread_more(
    world: World, tmp_path: Path, number: signal.Signals
) -> None:
    """A thread that lives when the pool forks could hold a lock that the child then waits for."""
    own = tmp_path / "tmp"
    own.mkdir()
    (port,) = free_ports(1)
    threads = []
    for more in ({}, {"PLATEREEL_METRICS_PORT": str(port)}):
        environment = environment_of(world, TMPDIR=str(own), **more)
        with process(tmp_path, environment, "worker", "--concurrency", "1") as running:
            pid = running.child.pid
            wait_until("children", partial(_has_children, pid, 1 + bool(more)))
            threads.append(len(list(Path(f"/proc/{pid}/task").iterdir())))
            if more:
                answering(port)
                assert [path.name for path in own.glob("platereel-metrics-*")]
                (server,) = [each for each in children(pid) if is_server(each)]
            running.child.send_signal(number)
            running.child.wait(WAIT_SECONDS)
    assert threads[0] == threads[1]
    wait_until("the server's end", lambda: not Path(f"/proc/{server}").exists())
    assert list(own.glob("platereel-metrics-*")) == []


def test_a_scrape_that_fails_is_told_in_the_shape_of_the_log(world: World, tmp_path: Path) -> None:
    own = tmp_path / "tmp"
    own.mkdir()
    (port,) = free_ports(1)
    more = {"TMPDIR": str(own), "PLATEREEL_METRICS_PORT": str(port), "PLATEREEL_LOG_FORMAT": "json"}
    with process(
        tmp_path, environment_of(world, **more), "worker", "--concurrency", "1"
    ) as running:
        answering(port)
        (folder,) = own.glob("platereel-metrics-*")
        rmtree(folder)
        with pytest.raises(HTTPError, match="500"):
            scraped(port)
        running.wait_for("FileNotFoundError")
    assert any(event["process"] == "metrics" for event in running.events())


def test_a_worker_without_room_for_its_counters_works_all_the_same(
    world: World, tmp_path: Path
) -> None:
    """Its folder cannot hold a file of that size, as on a full disk."""
    (port,) = free_ports(1)
    sign = tmp_path / "pulse"
    own = tmp_path / "tmp"
    own.mkdir()
    more = {
        "TMPDIR": str(own),
        "PLATEREEL_METRICS_PORT": str(port),
        "PLATEREEL_PULSE_FILE": str(sign),
    }
    environment = environment_of(world, **more)
    limited = [
        "sh",
        "-c",
        'ulimit -f 100; exec "$0" "$@"',
        sys.executable,
        "-m",
        "platereel",
        "worker",
    ]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(limited, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        wait_until("a sign of life", sign.exists)
    finally:
        child.terminate()
        child.wait(WAIT_SECONDS)
    assert "counters_not_shared" in (tmp_path / "log").read_text()
    assert list(own.glob("platereel-metrics-*")) == []
