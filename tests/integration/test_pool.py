"""The pool of a real worker: what is forked, and what becomes of a child whose task runs over."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.adapters.celery_queue import celery_app
from tests.support.deployment import clean_environment
from tests.support.pool_probe import HANG
from tests.support.servers import Servers
from tests.support.waiting import WAIT_SECONDS, wait_until


@contextmanager
def worker(servers: Servers, log: Path, broker: str) -> Iterator[None]:
    environment = clean_environment() | {
        "PLATEREEL_DATABASE_URL": servers.new_database(),
        "PLATEREEL_FRAMES_URL": servers.redis_url,
        "PLATEREEL_BROKER_URL": broker,
        "PLATEREEL_STORAGE_URL": servers.storage_url,
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.pool_probe", broker],
            stdout=out,
            stderr=out,
            env=environment,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def test_no_thread_lives_when_the_pool_forks_and_a_child_that_ran_over_is_replaced(
    servers: Servers, tmp_path: Path
) -> None:
    """A lock that a thread holds at the fork, an import's say, would hold up the child's first use
    of it for ever.
    """
    broker, log = servers.redis_url.replace("/0", "/7"), tmp_path / "worker.log"
    app = celery_app(broker)
    with worker(servers, log, broker):
        for seconds in (60, 0):
            app.send_task(HANG, kwargs={"seconds": seconds}, queue="parts")
        found = re.compile(r"^child (\d+)$", re.MULTILINE)
        wait_until("two children", lambda: len(found.findall(log.read_text())) == 2)
        hung, next_one = map(int, found.findall(log.read_text()))
        wait_until("the stacks", lambda: "task_ran_over" in log.read_text())
    text = log.read_text()
    assert hung != next_one
    assert not Path(f"/proc/{hung}").exists()
    assert "task_timed_out" in text
    assert "pool_probe.py" in text[text.index("task_ran_over") :]
    assert set(re.findall(r"^threads (\d+)$", text, re.MULTILINE)) == {"1"}
    app.close()
