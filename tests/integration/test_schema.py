"""A database of another version: newer after a roll-back, older before a migration, or another
program's.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory

from platereel.diagnosis import examine
from shared.adapters.postgres.migrate import _config, migrate
from shared.adapters.postgres.schema import SCHEMA_VERSION, current_version
from shared.domain.errors import Permanent
from tests.support.commands import Run
from tests.support.processes import Process, environment_of, process
from tests.support.proxy import Proxy
from tests.support.servers import Servers
from tests.support.waiting import WAIT_SECONDS
from tests.support.world import World

NEWER, OLDER, FOREIGN, BEFORE = "0099", "0000", "8f3a2b\x1b[2J", "run `platereel migrate`"
WORDS = {
    NEWER: f"the database schema is {NEWER}, newer than this version's {SCHEMA_VERSION}",
    OLDER: f"the database schema is {OLDER}, older than this version's {SCHEMA_VERSION}: {BEFORE}",
    FOREIGN: "the database schema is '8f3a2b\\x1b[2J', which no version of Platereel makes",
}
COMMANDS = (
    ("check",),
    ("cleanup", "--dry-run"),
    ("segments", "list"),
    ("keys", "list"),
    ("trigger", "cam", "--plate", "AB123"),
)


def set_version(url: str, version: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (version,))


def database_of(world: World) -> str:
    url = world.settings.database_url
    assert url is not None
    return url.get_secret_value()


def test_the_schema_version_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(_config()).get_current_head() == SCHEMA_VERSION


@pytest.mark.parametrize("version", [NEWER, FOREIGN])
def test_migrate_refuses_what_it_cannot_mend_and_changes_nothing(
    world: World, run: Run, version: str
) -> None:
    set_version(database_of(world), version)
    done = run("migrate")
    assert (done.returncode, done.stdout) == (1, "")
    assert WORDS[version] in done.stderr
    assert BEFORE not in done.stderr
    assert "Traceback" not in done.stderr
    assert current_version(database_of(world)) == version
    with pytest.raises(Permanent):
        migrate(database_of(world))


def test_migrate_waits_for_servers_that_come_later(world: World, tmp_path: Path) -> None:
    """It says at once why it waits; a password that is wrong may be put right on the server,
    too.
    """
    url = database_of(world)
    name, password = url.rpartition("/")[2], re.findall(r":([0-9a-f]{32})@", url)[0]
    wrong = environment_of(
        world, PLATEREEL_DATABASE_URL=url.replace("platereel:" + password, f"later:{'0' * 32}")
    )
    proxy = Proxy(("127.0.0.1", int(re.findall(r"127\.0\.0\.1:(\d+)", url)[0])))
    proxy.refuse()
    later = re.sub(r"(127\.0\.0\.1):\d+", rf"\1:{proxy.port}", url)
    away = environment_of(world, PLATEREEL_DATABASE_URL=later)
    with (
        closing(proxy),
        process(tmp_path, wrong, "migrate", "--wait", "60") as refused,
        process(tmp_path, away, "migrate", "--wait", "60") as early,
    ):
        refused.wait_for("refuses the user name or the password")
        early.wait_for("nothing listens at its host and port")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE later LOGIN SUPERUSER PASSWORD '{'0' * 32}'")
        try:
            proxy.heal()
            assert (refused.child.wait(WAIT_SECONDS), early.child.wait(WAIT_SECONDS)) == (0, 0)
        finally:
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute("DROP ROLE later")
        for running in (refused, early):
            assert f"schema {SCHEMA_VERSION} -> {SCHEMA_VERSION}" in running.said()
            assert password not in running.said()
            assert name not in running.said()


def test_migrate_gives_up_in_a_sentence(world: World, tmp_path: Path) -> None:
    environment = environment_of(
        world, PLATEREEL_DATABASE_URL=re.sub(r":\d+/", ":9/", database_of(world))
    )
    with process(tmp_path, environment, "migrate", "--wait", "1", "--json") as running:
        assert running.child.wait(WAIT_SECONDS) == 1
    assert (running.folder / "out").read_text() == ""
    assert "waiting_to_start" in running.said()
    assert running.said().endswith(
        "platereel: the database does not answer: nothing listens at its host and port (127.0.0.1:9)\n"
    )


@pytest.mark.parametrize("version", [NEWER, OLDER, FOREIGN])
def test_every_command_looks_at_the_version_first(
    world: World, run: Run, version: str, tmp_path: Path
) -> None:
    (tmp_path / "platereel.yaml").write_text('cameras: {cam: {source: "push:"}}\n')
    set_version(database_of(world), version)
    for command in COMMANDS:
        done = run(*command)
        assert done.returncode == 1, command
        assert WORDS[version] in done.stderr, command
        assert (BEFORE in done.stderr) is (version == OLDER), command
    assert WORDS[version] in next(examine(world.settings)).detail  # what doctor says first


def test_an_empty_database_is_told_apart(
    servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_every_process_that_needs_the_schema_says_so_and_waits(
    world: World, tmp_path: Path
) -> None:
    """With a newer schema none sends anybody to migrate; a schema that becomes theirs lets them go
    on.
    """
    set_version(database_of(world), NEWER)
    environment = environment_of(world)
    with (
        process(tmp_path, environment, "dispatch") as dispatch,
        process(tmp_path, environment, "worker") as worker,
    ):
        assert all(
            WORDS[NEWER] in said and BEFORE not in said
            for said in map(first_words, (dispatch, worker))
        )
    with process(tmp_path, environment, "api") as api:
        assert WORDS[NEWER] in first_words(api)
        set_version(database_of(world), SCHEMA_VERSION)
        api.wait_for("startup complete")
