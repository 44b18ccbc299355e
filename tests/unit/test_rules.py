"""Rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from structlog.testing import capture_logs

from shared.adapters.celery_queue import celery_app, celery_options
from shared.adapters.redis.client import redis_client
from shared.runtime.settings import Settings
from shared.wire.tasks import QUEUES, ROUTES, TASKS
from workers.app import build_app
from workers.process.boundary import at_the_boundary
from workers.process.overrun import BEFORE_SECONDS, Overruns

ROOT = Path(__file__).parents[2]
OURS = [
    path
    for folder in ("platereel", "shared", "services", "workers")
    for path in (ROOT / folder).rglob("*.py")
]
NEVER = {"utils", "helpers", "common", "misc", "base", "core", "manager"}


def test_names_say_what_is_inside() -> None:
    assert not [path for path in OURS if path.stem in NEVER or path.parent.name in NEVER]


def test_files_are_one_thing() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in OURS}
    assert not {name: lines for name, lines in long.items() if lines > 345}


def test_what_tests_share_is_in_support() -> None:
    """A helper in a test module is found by nobody, and a test that imports one runs the other's
    set-up.
    """
    imported = re.compile(r"^(?:from|import) tests\.(\w+)(?:\.(\w+))?", re.MULTILINE)
    for path in (ROOT / "tests").rglob("*.py"):
        for folder, module in imported.findall(path.read_text()):
            assert folder in {"support", path.parent.name}, f"{path} imports from tests.{folder}"
            assert not module.startswith("test_"), f"{path} imports {module}"
            assert module != "conftest", f"{path} imports {module}"


def test_no_program_imports_a_test() -> None:
    assert not [
        path
        for path in OURS
        if re.search(r"^\s*(?:from|import) tests\b", path.read_text(), re.MULTILINE)
    ]


OPENERS = {"frame_servers", "redis_client", "Database", "open_store", "CeleryQueue", "Keys"}


def test_servers_are_opened_in_one_place() -> None:
    """Who opens its own decides anew how long it waits, what it is called, and what it forgets to
    close.
    """
    found = set()
    for path in OURS:
        adapters = (ROOT / "shared" / "adapters") in path.parents
        for node in ast.walk(ast.parse(path.read_text())):
            opens = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in OPENERS
            )
            if opens and not adapters:
                found.add(str(path.relative_to(ROOT)))
    assert found == {"shared/deployment.py"}


def test_a_lock_is_taken_in_a_statement_of_its_own() -> None:
    """What a statement sees is settled before it takes a lock."""
    found = 0
    for path in (ROOT / "shared" / "adapters" / "postgres").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and "advisory_" in str(node.value):
                found += 1
                read = re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE) (\w+)", str(node.value))
                assert set(read) <= {"unnest"}, f"{path}:{node.lineno} locks and reads {read}"
    assert found


def test_no_task_asks_for_more_than_its_own_ports() -> None:
    """They are handed to it, so that a use case runs over any ports, and knows nothing of how a
    worker is built.
    """
    for path in (ROOT / "workers").rglob("tasks.py"):
        text = path.read_text()
        assert "workers.wiring" not in text, path
        assert re.search(r"ports: Callable\[\[\], \w+Ports\]", text), path


def test_task_bodies_are_short() -> None:
    for path in (ROOT / "workers").rglob("tasks.py"):
        for outer in ast.walk(ast.parse(path.read_text())):
            if isinstance(outer, ast.FunctionDef) and outer.decorator_list:
                assert (outer.end_lineno or 0) - outer.lineno <= 10, path


def test_nothing_is_deleted_in_an_except() -> None:
    for path in OURS:
        for handler in ast.walk(ast.parse(path.read_text())):
            if isinstance(handler, ast.ExceptHandler):
                calls = {
                    n.func.attr
                    for n in ast.walk(handler)
                    if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
                }
                assert not calls & {
                    "delete",
                    "unlink",
                    "rmtree",
                    "remove",
                    "rmdir",
                    "remove_object",
                }, path


def test_every_task_name_is_registered_and_routed() -> None:
    app = build_app(Settings(), "redis://127.0.0.1:1/0")
    for task in TASKS:
        assert task.NAME in app.tasks
        assert ROUTES[task.NAME]["queue"] in QUEUES
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= {task.NAME for task in TASKS}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", True),
        ("task_ignore_result", True),
        ("task_reject_on_worker_lost", False),
        ("worker_prefetch_multiplier", 1),
        ("worker_soft_shutdown_timeout", 8),
        ("worker_cancel_long_running_tasks_on_connection_loss", True),
        ("broker_pool_acquire_timeout", 5),
        ("broker_connection_retry_on_startup", True),
        ("worker_enable_remote_control", False),
        ("result_backend", None),
    ],
)
def test_celery_is_set_as_the_design_says(name: str, value: object) -> None:
    assert getattr(celery_app("redis://127.0.0.1:1/0").conf, name) == value


def test_every_wait_for_a_server_ends() -> None:
    transport = celery_options()["broker_transport_options"]
    assert transport["socket_timeout"] == 5
    assert transport["socket_connect_timeout"] == 2
    assert transport["health_check_interval"] == 5
    assert transport["visibility_timeout"] > 240
    with redis_client("redis://127.0.0.1:1/0") as client:
        arguments = client.connection_pool.connection_kwargs
    assert (arguments["socket_timeout"], arguments["socket_connect_timeout"]) == (5, 2)
    assert arguments["retry"].get_retries() == 0


@pytest.mark.parametrize("error", [MemoryError(), ValueError("unexpected")])
def test_nothing_a_task_raises_ends_the_worker(error: Exception) -> None:
    """Celery would end the whole worker on a MemoryError and requeue the task, which would then
    fell the next one.
    """

    def task() -> None:
        raise error

    with at_the_boundary("platereel.write_part", 25, Overruns()):
        task()


def test_a_task_that_ran_over_takes_its_process_along() -> None:
    """What held it up, a lock say, would hold up the next one in this process as well."""
    with pytest.raises(SystemExit), at_the_boundary("platereel.write_part", 25, Overruns()):
        raise SoftTimeLimitExceeded


def test_a_task_that_runs_over_says_where_it_stood() -> None:
    overruns = Overruns()
    with capture_logs() as logs:
        with overruns.watched(BEFORE_SECONDS + 0.1):
            stuck_for(0.2)
        overruns.tell()
        overruns.tell()
        with overruns.watched(30):
            stuck_for(0.0)
        overruns.tell()
    (told,) = logs
    assert told["event"] == "task_ran_over"
    assert "stuck_for" in told["stacks"]


def stuck_for(seconds: float) -> None:
    threading.Event().wait(seconds)
