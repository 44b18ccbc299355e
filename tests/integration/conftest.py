"""The API and the command over the servers of a world, for tests of more than one file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from platereel.cli import main
from services.api import wiring
from services.api.wiring import build
from shared.adapters.postgres import server_settings
from tests.support.commands import COMMAND, Done, Run
from tests.support.http import serving
from tests.support.world import World

PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _postgres_is_set_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' server does not wait for its disk, which is wrong for any other."""
    monkeypatch.setattr(server_settings, "MUST_BE_ON", {})


@pytest.fixture(autouse=True)
def _the_api_has_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an API of this process does is tried, not how soon a busy machine lets it do so."""
    monkeypatch.setattr(wiring, "PATIENCE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def api(world: World) -> Iterator[TestClient]:
    with TestClient(build(world.settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The API behind a real socket: endless answers cannot be tried without one."""
    with serving(build(world.settings)) as url:
        yield url


@pytest.fixture
def run(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """`platereel …` with the world's addresses, in this process: starting twenty would take most of
    the time.
    """
    settings = world.settings
    urls = {
        "PLATEREEL_DATABASE_URL": settings.database_url, "PLATEREEL_FRAMES_URL": settings.frames_url,
        "PLATEREEL_BROKER_URL": settings.broker_url, "PLATEREEL_STORAGE_URL": settings.storage_url,
    }  # fmt: skip
    for name, url in urls.items():
        assert url is not None
        monkeypatch.setenv(name, url.get_secret_value())
    monkeypatch.chdir(tmp_path)
    # logs of this process stay as they are
    monkeypatch.setattr("platereel.cli.configure.configure", lambda *_: None)

    monkeypatch.setattr("platereel.cli.app", COMMAND)

    def platereel(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["platereel", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        if isinstance(code, str):  # what the interpreter prints for it
            return Done(1, said.out, said.err + code)
        return Done(code or 0, said.out, said.err)

    return platereel
