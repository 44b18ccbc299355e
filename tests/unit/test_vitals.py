"""The check of a container, and the sign of life that it looks at."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from anyio import to_thread
from starlette.concurrency import run_in_threadpool

from services.api.heartbeat import heartbeat
from shared.adapters.clock import SystemClock
from shared.domain.errors import Permanent
from shared.runtime.pulse import pulse, seconds_since
from shared.runtime.vitals import judge
from tests.support.waiting import WAIT_SECONDS

NOW_S = 1_700_000_000.0
ROOT = Path(__file__).parents[2]


class Clock(SystemClock):
    """A clock that is set by hand."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def said(tmp_path: Path, age_s: float, *arguments: str) -> str | None:
    file = tmp_path / "pulse"
    file.write_text(str(round((NOW_S - age_s) * 1000)))
    return judge([*arguments, str(file)], {}, NOW_S)


@pytest.mark.parametrize(
    ("age_s", "arguments", "wrong"),
    [
        (2, (), None),
        (31, (), "31 s old"),
        (31, ("--within", "60"), None),
        (6, ("--within", "5"), "6 s old"),
        (-5, (), None),
        (-3600, (), "set back"),
        (2, ("--within", "nan"), "2 s old"),
        (2, ("--within", "soon"), "usage:"),
        (2, ("--wihtin", "5"), "usage:"),
    ],
)
def test_a_sign_is_judged_by_its_age(
    tmp_path: Path, age_s: float, arguments: tuple[str, ...], wrong: str | None
) -> None:
    sentence = said(tmp_path, age_s, *arguments)
    assert (sentence is None) if wrong is None else (wrong in str(sentence))


@pytest.mark.parametrize("content", [None, "", "soon", "1.5"])
def test_no_sign_yet_is_a_sentence(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "pulse"
    if content is not None:
        file.write_text(content)
    assert judge([], {"PLATEREEL_PULSE_FILE": str(file)}, NOW_S) == f"{file}: no sign of life yet"
    with pytest.raises(Permanent, match="no sign of life yet"):
        seconds_since(file, SystemClock())


def test_without_a_file_the_check_says_what_to_set() -> None:
    assert "PLATEREEL_PULSE_FILE is not set" in str(judge([], {}, NOW_S))


def test_the_program_imports_nothing_of_ours_and_nothing_heavy(tmp_path: Path) -> None:
    """What takes the time of such a check is its imports; so they are counted, and no clock is
    asked.
    """
    pulse(tmp_path / "pulse", SystemClock())()
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); before = set(sys.modules)\n"
        "import shared.runtime.vitals as v\n"
        "try: v.main()\n"
        "except SystemExit as end: assert end.code is None, end.code\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(ROOT), str(tmp_path / "pulse")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) <= {
        "__future__", "_stat", "genericpath", "os", "os.path", "posixpath", "shared", "shared.runtime",
        "shared.runtime.vitals", "stat", "time", "_collections_abc",
    }  # fmt: skip


def test_the_installed_program_answers_by_its_exit_status(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("platereel-health")
    file = tmp_path / "pulse"
    pulse(file, SystemClock())()
    environment = os.environ | {"PLATEREEL_PULSE_FILE": str(file)}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    file.write_text("1000")
    done = subprocess.run(
        [program, "--within", "9"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("platereel-health: the last sign of life is ")
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_stops_no_loop(tmp_path: Path) -> None:
    clock = Clock()
    alive = pulse(tmp_path / "gone" / "pulse", clock)
    for clock.seconds in (0.0, 3.0):
        alive()
    (tmp_path / "gone").mkdir()
    clock.seconds = 6.0
    alive()
    assert seconds_since(tmp_path / "gone" / "pulse", clock) < 5


def test_a_reader_never_finds_half_a_sign(tmp_path: Path) -> None:
    """The file is replaced: what a reader has open stays whole, and nothing else is left in the
    folder.
    """
    clock, file = Clock(), tmp_path / "pulse"
    alive = pulse(file, clock)
    alive()
    with file.open() as reader:
        clock.seconds = 3.0
        alive()
        assert int(reader.read()) > 0
        assert os.fstat(reader.fileno()).st_nlink == 0
    assert [path.name for path in tmp_path.iterdir()] == ["pulse"]


def hold(held: threading.Event, let_go: threading.Event) -> None:
    held.set()
    assert let_go.wait(WAIT_SECONDS)


def test_the_api_gives_no_sign_while_its_loop_or_its_threads_are_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signs: list[float] = []
    monkeypatch.setattr("services.api.heartbeat.EVERY_SECONDS", 0.01)

    async def serve() -> tuple[int, int, int]:
        async with heartbeat(lambda: signs.append(time.monotonic())):
            while len(signs) < 3:  # noqa: ASYNC110 - it is what is counted
                await asyncio.sleep(0.01)
            free = len(signs)
            time.sleep(0.1)  # noqa: ASYNC251 - the loop is held up
            loop_held = len(signs)
            threads = to_thread.current_default_thread_limiter()
            threads.total_tokens, before = 1, threads.total_tokens
            held, let_go = threading.Event(), threading.Event()
            busy = asyncio.create_task(run_in_threadpool(hold, held, let_go))
            while not held.is_set():  # noqa: ASYNC110 - set once the one thread is taken and nobody else has one
                await asyncio.sleep(0.01)
            threads_held = len(signs)
            await asyncio.sleep(0.1)
            assert len(signs) == threads_held
            let_go.set()
            await busy
            threads.total_tokens = before
        return free, loop_held, len(signs)

    free, loop_held, _ = asyncio.run(serve())
    assert free >= 3
    assert loop_held - free <= 1
    ended = len(signs)
    time.sleep(0.05)
    assert len(signs) == ended
