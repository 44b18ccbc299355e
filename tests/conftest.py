"""Fixtures of all tests."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from tests.support.servers import Servers
    from tests.support.world import World

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile(
    "busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# make unit; make test tries all
settings.register_profile("quick", settings.get_profile("busy"), max_examples=25)
settings.load_profile("busy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole deployments live in real time; kill points, though chaos, take every moment as it
    comes.
    """
    for item in items:
        if item.path.parent.name in {"e2e", "chaos"} and item.path.name != "test_points.py":
            item.add_marker("real_time")


# Modules that share a deployment of their package: each worker that has one of them starts it anew.
TOGETHER = re.compile(
    r"tests/(browser/|e2e/test_(?:cameras_while_running|clips|command|metrics)\.py)"
)


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Gives what shares a deployment to one worker, and any other module to the next free one."""

    def _split_scope(self, nodeid: str) -> str:
        found = TOGETHER.match(nodeid)
        return str(super()._split_scope(nodeid)) if found is None else found[1].partition("/")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """For `--dist loadscope`."""
    return Together(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(autouse=True)
def _logging_stays() -> Iterator[None]:
    """A command that a test runs in this process writes its log to the test's own output, which is
    closed after it.
    """
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Real servers, started once for this test process."""
    from tests.support.servers import running_servers  # noqa: PLC0415 - the process that starts the others needs none

    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def world(servers: Servers) -> Iterator[World]:
    """Every repository over one fresh database, a buffer and a bucket of its own."""
    from tests.support.world import open_world  # noqa: PLC0415 - the same

    with open_world(servers) as opened:
        yield opened
