"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.servers import Servers, running_servers
from tests.support.world import World, open_world

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole deployments live in real time; kill points, though chaos, take every moment as it comes."""
    for item in items:
        if item.path.parent.name in {"e2e", "chaos"} and item.path.name != "test_points.py":
            item.add_marker("real_time")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Real servers, started once for this test process."""
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def world(servers: Servers) -> Iterator[World]:
    """Every repository over one fresh database, a buffer and a bucket of its own."""
    with open_world(servers) as opened:
        yield opened
