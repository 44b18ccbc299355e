"""A database of another version: newer after a roll-back, older before a migration, or another
program's.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from alembic import command as alembic
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from platereel.diagnosis import examine
from shared.adapters.postgres import migrations
from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.migrate import alembic_config, migrate, migration
from shared.adapters.postgres.migration_plan import plan
from shared.adapters.postgres.schema import (
    SCHEMA_VERSION,
    Schema,
    current_schema,
    current_version,
    mismatch,
)
from shared.domain.errors import Permanent, Retryable
from tests.support.commands import Run
from tests.support.processes import Process, environment_of, process
from tests.support.proxy import Proxy
from tests.support.recordings import accept
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
    """The schema becomes that version, and one that only its own code can use."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (version,))
        connection.execute("UPDATE deployment SET usable_from = %s", (version,))


def database_of(world: World) -> str:
    url = world.settings.database_url
    assert url is not None
    return url.get_secret_value()


def test_the_schema_version_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == SCHEMA_VERSION


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


def test_a_newer_schema_that_only_expanded_is_used(world: World, run: Run, tmp_path: Path) -> None:
    """As after a roll-back of the program: everything goes on, and migrating has nothing to do."""
    (tmp_path / "platereel.yaml").write_text('cameras: {cam: {source: "push:"}}\n')
    with psycopg.connect(database_of(world), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (NEWER,))
        connection.execute("ALTER TABLE video_segments ADD COLUMN mood text")
    for command in (("migrate",), ("check",), ("cleanup",), ("segments", "list"), ("backup",)):
        done = run(*command)
        assert (done.returncode, done.stderr) == (0, ""), command
    newer = f"the schema is {NEWER}, newer than this version's {SCHEMA_VERSION}, which can use it"
    assert newer in run("migrate").stdout
    assert newer in run("migrate", "--plan").stdout
    assert json.loads(run("migrate", "--json").stdout)["after"] == NEWER
    assert json.loads(run("migrate", "--plan", "--json").stdout) == {
        "before": NEWER, "after": NEWER, "newer": True, "steps": [],
    }  # fmt: skip
    finding = next(examine(world.settings))
    assert (finding.health, f"schema {NEWER}, newer than" in finding.detail) == ("ok", True)
    (segment_id,) = accept(world, "cam", 10, "d1")
    assert world.status(segment_id) == "recording"


def versions() -> list[ModuleType]:
    script = ScriptDirectory.from_config(alembic_config())
    return [each.module for each in reversed(list(script.walk_revisions()))]


FILLED = """
    INSERT INTO detections (detection_id, camera_id, captured_at, confidence)
    SELECT 'd' || i, 'c', now(), 0.9 FROM generate_series(1, 13) i;
    INSERT INTO video_segments (id, camera_id, status, file_path, start_time, deadline, trigger_time, covered_to,
                                policy, codec, fps)
    SELECT gen_random_uuid(), 'c' || i, 'recording', 'v' || i, now(), now() + interval '1 s', now(), now(), '{}',
           'h264', 15 FROM generate_series(1, 11) i;
    INSERT INTO segment_plates (segment_id, plate, confidence) SELECT id, 'AB1', 0.5 FROM video_segments;
    INSERT INTO access_log (who, action) SELECT 'me', 'view' FROM generate_series(1, 7);
    INSERT INTO jobs (kind, requested_by) SELECT 'check', 'me' FROM generate_series(1, 5);
    INSERT INTO outbox (name, body) SELECT 'n', '{}' FROM generate_series(1, 3);
"""
WAITS = {"AccessExclusiveLock": "all", "ShareRowExclusiveLock": "writers", "ShareLock": "writers"}


def touched(connection: Connection, before: Mapping[str, int]) -> dict[str, tuple[str, int, bool]]:
    """What this transaction did to the tables that were there: the strongest lock, the rows that it
    read, whether it wrote the table anew.
    """
    found = {}
    for row in connection.execute(
        """
        SELECT c.relname AS name, c.relfilenode::int AS file, coalesce(s.seq_tup_read, 0) AS read,
               array_agg(l.mode) AS modes
          FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relkind = 'r'
          LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
         WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
         GROUP BY c.relname, c.relfilenode, s.seq_tup_read
        """
    ):
        waits = [WAITS[mode] for mode in row["modes"] if mode in WAITS]
        if row["name"] in before and waits:
            rewritten = before[row["name"]] != row["file"]
            found[row["name"]] = (min(waits), int(row["read"]), rewritten)
    return found


def test_each_version_says_what_it_does_to_tables(servers: Servers) -> None:
    """Its locks, the rows it reads and the tables it writes anew are the server's own account."""
    url = servers.new_database("template0")
    files = "SELECT relname, relfilenode::int AS file FROM pg_class WHERE relkind = 'r'"
    for version in versions():
        planned = plan(url).steps[0]
        with migration(url) as moving:
            before = {row["relname"]: row["file"] for row in moving.rows().execute(files)}
            moving.to(version.revision)
            done = touched(moving.rows(), before)
        told = {each.table: (each.waits, each.read, each.rewritten > 0) for each in planned.tables}
        assert (planned.version, done) == (version.revision, told)
        if version.revision == "0001":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(FILLED)
    assert plan(url).steps == ()
    servers.drop_database(url)


def test_a_plan_is_told_and_changes_nothing(
    servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = servers.new_database("template0")
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", url)
    empty = run("migrate", "--plan").stdout
    assert empty.startswith(f"schema none -> {SCHEMA_VERSION}, in one transaction:\n0001 expand: ")
    with migration(url) as moving:
        moving.to("0001")
        moving.rows().execute(FILLED)
    told = run("migrate", "--plan").stdout
    assert f"schema 0001 -> {SCHEMA_VERSION}, in one transaction:" in told
    assert "  detections: whoever uses it waits; reads 143 rows" in told
    assert "  video_segments: whoever writes it waits; reads 11 rows" in told
    assert "  api_keys: whoever uses it waits; touches no row" in told
    steps = json.loads(run("migrate", "--plan", "--json").stdout)["steps"]
    assert [step["version"] for step in steps] == [each.revision for each in versions()[1:]]
    assert current_version(url) == "0001"
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", servers.postgres_url)
    servers.drop_database(url)


def test_a_version_that_contracts_says_which_code_can_go_on(world: World, tmp_path: Path) -> None:
    shutil.copytree(Path(migrations.__file__).parent, tmp_path / "m")
    (tmp_path / "m" / "versions" / "v9000_less.py").write_text(
        f'revision, down_revision = "9000", "{SCHEMA_VERSION}"\n'
        f'kind, usable_from, touches = "contract", "{SCHEMA_VERSION}", ()\n'
        "def upgrade() -> None: pass\n"
    )
    config = alembic_config()
    config.set_main_option("script_location", str(tmp_path / "m"))
    url = database_of(world)
    with create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    ).begin() as connection:
        config.attributes["connection"] = connection
        alembic.upgrade(config, "head")
    schema = current_schema(url)
    assert schema == Schema("9000", SCHEMA_VERSION)
    assert mismatch(schema) is None
    assert mismatch(replace(schema, usable_from="9000")) is not None


def test_a_table_that_changed_costs_one_try(world: World) -> None:
    """The server refuses what was prepared for it before; the next connection prepares anew."""

    def look() -> int:
        return len(world.database.fetch("SELECT * FROM deployment"))

    for _ in range(20):  # on every connection of the pool it is prepared
        look()
    with psycopg.connect(database_of(world), autocommit=True) as connection:
        connection.execute("ALTER TABLE deployment ADD COLUMN colour text")
    failed = 0
    for _ in range(40):
        try:
            assert look() == 1
        except Retryable as error:
            assert "other tables than before" in error.message
            failed += 1
    assert 1 <= failed <= 8  # at most once for each connection


def test_processes_connect_again_after_a_migration(servers: Servers) -> None:
    url = servers.new_database("template0")
    with migration(url) as moving:
        moving.to("0002")
    database = Database(url, max_size=1, name="platereel-test")
    database.open()
    ask = "SELECT pg_backend_pid() AS pid"
    before = database.fetch_one(ask)
    with psycopg.connect(url, application_name="psql") as other:
        assert migrate(url) == ("0002", SCHEMA_VERSION)
        assert other.execute("SELECT 1").fetchone() == (1,)
    with suppress(Retryable):
        database.fetch_one(ask)
    after = database.fetch_one(ask)
    assert None not in {before and before["pid"], after and after["pid"]}
    assert before != after
    assert migrate(url) == (SCHEMA_VERSION, SCHEMA_VERSION)
    assert database.fetch_one(ask) == after
    database.close()
    servers.drop_database(url)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_before_anything_is_made(
    servers: Servers, encoding: str
) -> None:
    url = servers.new_database(f"template0 ENCODING '{encoding}' LOCALE 'C'")
    try:
        with pytest.raises(Permanent, match=f"{encoding}.*UTF8"):
            migrate(url)
        assert current_version(url) is None
    finally:
        servers.drop_database(url)
