"""With JSON logs, every line that a process writes is JSON: from the first one, and also when it
cannot start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployment import clean_environment
from tests.support.processes import environment_of, process
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import World

JSON = {"PLATEREEL_LOG_FORMAT": "json"}
PROCESSES = (
    ("dispatch",),
    ("worker", "--concurrency", "1"),
    ("beat",),
    ("api",),
    ("capture",),
    ("detect",),
)
FAILING = [
    *(
        (each[0], (), {"PLATEREEL_BUFER": "1"}, "PLATEREEL_BUFER: unknown environment variable")
        for each in PROCESSES
    ),
    ("migrate", (), {"PLATEREEL_BUFER": "1"}, "PLATEREEL_BUFER: unknown environment variable"),
    ("up", (), {}, "there is no platereel.yaml here"),
    ("worker", ("--config", "gone.yaml"), {}, "gone.yaml: no such file"),
    ("worker", ("--nonsense",), {}, "No such option"),
]


@pytest.mark.parametrize("arguments", PROCESSES, ids=lambda arguments: arguments[0])
def test_all_that_a_process_says_is_json(
    world: World, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    sign = tmp_path / "pulse"
    environment = environment_of(
        world, **JSON, PLATEREEL_LOG_LEVEL="debug", PLATEREEL_PULSE_FILE=str(sign)
    )
    with process(tmp_path, environment, *arguments) as running:
        wait_until(f"a sign of life of {arguments[0]}", sign.exists)
        assert running.stop() in {0, -signal.SIGTERM}  # uvicorn ends by the signal it was sent
    for event in running.events():
        assert event["process"] == arguments[0]
        assert event["event"] != "printed", event  # nobody prints what could be logged
    if arguments[0] == "worker":
        farewell = [event["line"] for event in running.events() if event["event"] == "celery_says"]
        # what SIGTERM is to a worker of ours
        assert any("Cold shutdown" in line for line in farewell)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_pool_child_that_dies_is_told_in_json(world: World, tmp_path: Path) -> None:
    sign = tmp_path / "pulse"
    environment = environment_of(world, **JSON, PLATEREEL_PULSE_FILE=str(sign))
    with process(tmp_path, environment, "worker", "--concurrency", "1") as running:
        wait_until("a sign of life", sign.exists)  # so that its loop looks after the pool
        (child,) = children(running.child.pid)
        os.kill(child, signal.SIGKILL)
        wait_until("another child", lambda: children(running.child.pid) not in ([], [child]))
        running.stop()
    assert running.events()


@pytest.mark.parametrize(
    "arguments", [["dispatch"], ["worker"], ["api"], ["migrate"]], ids=" ".join
)
def test_a_database_that_does_not_answer_is_told_in_json(
    world: World, tmp_path: Path, arguments: list[str]
) -> None:
    environment = environment_of(world, **JSON) | {
        "PLATEREEL_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"
    }
    with process(tmp_path, environment, *arguments) as running:
        running.wait_for("does not answer")
        running.stop()
    assert all(event["process"] == arguments[0] for event in running.events())
    assert "hidden" not in running.said()


@pytest.mark.parametrize(("command", "arguments", "variables", "reason"), FAILING)
def test_a_start_that_fails_is_told_in_json(
    tmp_path: Path, command: str, arguments: tuple[str, ...], variables: dict[str, str], reason: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "platereel", command, *arguments],
        env=clean_environment() | JSON | variables,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode != 0
    events = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert any(reason in str(event) for event in events), events
    assert all(event["process"] == command for event in events)


@pytest.mark.parametrize(
    "text", ["log_format: json\ncameras: {cam: [}\n", "cameras: {}\nlog_format: 'json'\nx: 1\n"]
)
def test_a_file_that_cannot_be_read_still_says_how_to_log(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "platereel", "capture", "--config=own.yaml"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    (event,) = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert (event["event"], event["level"], done.returncode) == ("process_ended", "critical", 1)
    assert event["reason"].startswith("own.yaml:")


def test_a_migration_is_an_event_and_a_document_stays_one(world: World, tmp_path: Path) -> None:
    environment = environment_of(world, **JSON)
    with process(tmp_path, environment, "migrate") as running:
        assert running.child.wait(WAIT_SECONDS) == 0
    (event,) = [event for event in running.events() if event["event"] == "migrated"]
    assert event["after"] == event["before"]
    with process(tmp_path, environment, "migrate", "--json") as running:
        assert running.child.wait(WAIT_SECONDS) == 0
    assert json.loads((running.folder / "out").read_text())["ok"] is True


def test_people_read_plain_sentences(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "platereel", "capture"],
        env=clean_environment() | {"PLATEREEL_BUFER": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stderr.startswith("platereel: PLATEREEL_BUFER: unknown environment variable")
