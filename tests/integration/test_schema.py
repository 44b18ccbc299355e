"""A database of another version: newer after a roll-back, older before a migration, or another program's."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from platereel.diagnosis import examine
from shared.adapters.postgres.schema import migrate
from shared.adapters.postgres.version import SCHEMA_VERSION, current_version
from shared.domain.errors import Permanent
from tests.integration.test_commands import Run
from tests.integration.test_commands import run as run  # noqa: PLC0414 - a fixture
from tests.support.processes import Process, environment_of, process
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
    assert WORDS[version] in next(examine(world.settings)).detail  # what doctor says first


def test_an_empty_database_is_told_apart(servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    url = servers.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE alembic_version")
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", url)
    done = run("check")
    assert done.returncode == 1
    assert "the database has no schema" in done.stderr
    assert BEFORE in done.stderr


def first_words(running: Process) -> str:
    """What a process says while it waits."""
    running.wait_for("waiting_to_start")
    return running.said()


def test_every_process_that_needs_the_schema_says_so_and_waits(world: World, tmp_path: Path) -> None:
    """With a newer schema none sends anybody to migrate; a schema that becomes theirs lets them go on."""
    set_version(database_of(world), NEWER)
    environment = environment_of(world)
    with process(tmp_path, environment, "dispatch") as dispatch, process(tmp_path, environment, "worker") as worker:
        assert all(WORDS[NEWER] in said and BEFORE not in said for said in map(first_words, (dispatch, worker)))
    with process(tmp_path, environment, "api") as api:
        assert WORDS[NEWER] in first_words(api)
        set_version(database_of(world), SCHEMA_VERSION)
        api.wait_for("startup complete")
