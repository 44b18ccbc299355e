"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import Servers, running_servers
from tests.support.world import World, open_world


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
