"""A database of another version: newer after a roll-back, older before a migration, or another program's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from shared.adapters.postgres.schema import migrate
from shared.adapters.postgres.version import SCHEMA_VERSION, current_version
from shared.domain.errors import Permanent
from tests.integration.test_commands import Run
from tests.integration.test_commands import run as run  # noqa: PLC0414 - a fixture
from tests.support.deployment import clean_environment, wait_until
from tests.support.servers import Servers
from tests.support.world import World

NEWER, OLDER, FOREIGN, BEFORE = "0099", "0011", "8f3a2b\x1b[2J", "run `platereel migrate`"
WORDS = {
    NEWER: f"the database schema is {NEWER}, newer than this version's {SCHEMA_VERSION}",
    OLDER: f"the database schema is {OLDER}, older than this version's {SCHEMA_VERSION}: {BEFORE}",
    FOREIGN: "the database schema is '8f3a2b\\x1b[2J', which no version of Platereel makes",
}
COMMANDS = (
    ("check",), ("cleanup", "--dry-run"), ("segments", "list"), ("keys", "list"),
    ("trigger", "cam", "--plate", "AB123"),
)  # fmt: skip


def set_version(url: str, version: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (version,))


def database_of(world: World) -> str:
    url = world.settings.database_url
    assert url is not None
    return url.get_secret_value()


@pytest.mark.parametrize("version", [NEWER, FOREIGN])
def test_migrate_refuses_what_it_cannot_mend_and_changes_nothing(world: World, run: Run, version: str) -> None:
    set_version(database_of(world), version)
    done = run("migrate")
    assert (done.returncode, done.stdout) == (1, "")
    assert WORDS[version] in done.stderr
    assert BEFORE not in done.stderr
    assert "Traceback" not in done.stderr
    assert current_version(database_of(world)) == version
    with pytest.raises(Permanent):
        migrate(database_of(world))


@pytest.mark.parametrize("version", [NEWER, OLDER, FOREIGN])
def test_every_command_looks_at_the_version_first(world: World, run: Run, version: str, tmp_path: Path) -> None:
    (tmp_path / "platereel.yaml").write_text('cameras: {cam: {source: "push:"}}\n')
    set_version(database_of(world), version)
    for command in COMMANDS:
        done = run(*command)
        assert done.returncode == 1, command
        assert WORDS[version] in done.stderr, command
        assert (BEFORE in done.stderr) is (version == OLDER), command
    assert WORDS[version] in " ".join(run("doctor").stdout.split())


def test_an_empty_database_is_told_apart(servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    url = servers.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE alembic_version")
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", url)
    done = run("check")
    assert done.returncode == 1
    assert "the database has no schema" in done.stderr
    assert BEFORE in done.stderr


@contextmanager
def process(world: World, folder: Path, *arguments: str) -> Iterator[Path]:
    """A long-running process, and its log."""
    log = folder / f"{arguments[0]}.log"
    settings = world.settings
    urls = {
        "PLATEREEL_DATABASE_URL": settings.database_url, "PLATEREEL_FRAMES_URL": settings.frames_url,
        "PLATEREEL_BROKER_URL": settings.broker_url, "PLATEREEL_STORAGE_URL": settings.storage_url,
    }  # fmt: skip
    environment = clean_environment() | {name: url.get_secret_value() for name, url in urls.items() if url}
    environment["PLATEREEL_API__PORT"] = "0"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "platereel", *arguments], stdout=out, stderr=out, env=environment, cwd=folder
        )
    try:
        yield log
    finally:
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(30) in {0, -signal.SIGTERM}  # uvicorn ends by the signal it was sent


def test_every_process_that_needs_the_schema_says_so_and_waits(world: World, tmp_path: Path) -> None:
    """With a newer schema none sends anybody to migrate; a schema that becomes theirs lets them go on."""
    set_version(database_of(world), NEWER)
    with process(world, tmp_path, "dispatch") as dispatch, process(world, tmp_path, "worker") as worker:
        assert all(WORDS[NEWER] in said and BEFORE not in said for said in map(first_words, (dispatch, worker)))
    with process(world, tmp_path, "api") as api:
        assert WORDS[NEWER] in first_words(api)
        set_version(database_of(world), SCHEMA_VERSION)
        wait_until("the API to listen", lambda: "startup complete" in api.read_text(), 60)


def first_words(log: Path) -> str:
    """What a process says while it waits."""
    wait_until(log.name, lambda: "waiting_to_start" in log.read_text(), 60)
    return log.read_text()
