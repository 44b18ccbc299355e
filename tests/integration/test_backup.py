"""Backups and what is made of them: rows and clips come back from nothing, or nothing changes."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from services.api.wiring import build
from shared.adapters.postgres.backup import PostgresBackupRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.migrate import migration
from shared.adapters.postgres.restore import load
from shared.adapters.postgres.schema import SCHEMA_VERSION, current_version
from shared.adapters.storage.opening import open_store
from shared.domain.errors import Retryable
from shared.domain.job import JobKind
from shared.domain.ports import Load, LoadedTable
from shared.wire.backup import BackupReader
from shared.wire.keys import SENTINEL, backup_name, backups_prefix
from tests.support.commands import Run
from tests.support.jobs import check, checking, clip
from tests.support.recordings import Away, accept, finish
from tests.support.servers import Servers
from tests.support.world import World
from workers.backup import tasks
from workers.backup.backup import back_up, stored_backups, write_backup
from workers.backup.ports import BackupPorts
from workers.consistency.sentinel import claim_store

EMPTY = "template0"
DAY_MS = 86_400_000


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """A database without anything in it."""
    url = servers.new_database(EMPTY)
    yield url
    servers.drop_database(url)


def ports(world: World, **changed: Any) -> BackupPorts:
    given = BackupPorts(
        rows=PostgresBackupRows(world.database),
        store=world.store,
        jobs=world.jobs,
        clock=world.clock,
        keep=3,
        hour=2,
        version="test",
    )
    return replace(given, **changed)


def recorded(world: World) -> UUID:
    world.film("cam1", 7, 18)
    (segment_id,) = accept(world, "cam1", 10, "d1")
    finish(world, "cam1")
    assert world.status(segment_id) == "ready"
    return segment_id


def copy_store(world: World, folder: Path) -> str:
    """What a nightly copy of the clips leaves: the same objects in a folder."""
    second = open_store(f"file://{folder}", world.clock)
    for each in world.store.walk(""):
        second.put(each.key, world.store.get(each.key), "")
    return f"file://{folder}"


def counts(url: str) -> dict[str, int]:
    """How many rows every table has."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # type: ignore[index]
            for (name,) in names
        }


def test_a_deployment_comes_back_from_nothing(
    world: World, run: Run, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_store(world.store, world.consistency)
    segment_id, note = recorded(world), "seen by the gate"
    assert run("segments", "protect", str(segment_id), "--note", note).returncode == 0
    assert run("lists", "create", "stolen", "--kind", "watch").returncode == 0
    done = run("backup", "--to", str(tmp_path), "--json")
    told = json.loads(done.stdout)
    path = Path(told["path"])
    assert (path.parent, stat.S_IMODE(path.stat().st_mode)) == (tmp_path, 0o600)
    assert told["bytes"] == path.stat().st_size
    was = counts(world.database.url)
    copied = copy_store(world, tmp_path / "second")

    monkeypatch.setenv("PLATEREEL_DATABASE_URL", empty)
    monkeypatch.setenv("PLATEREEL_STORAGE_URL", copied)
    restored = json.loads(run("restore", str(path), "--yes", "--json").stdout)
    assert (restored["check"]["clean"], restored["skipped"]) == (True, [])
    assert restored["check"]["clips"] == 1
    now = counts(empty)
    # the command that made the backup, and the one that loaded it, are in the log of their own time
    assert {name: now[name] for name in was if name != "access_log"} == {
        name: was[name] for name in was if name != "access_log"
    }

    settings = world.settings.model_copy(
        update={"database_url": SecretStr(empty), "storage_url": SecretStr(copied)}
    )
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        assert api.get(f"/v2/video/segments/{segment_id}").json()["note"] == note
        sent = api.get(f"/v2/video/segments/{segment_id}/download").content
    assert sent == world.store.get(world.segments.get(segment_id).file_path)


def test_numbers_that_were_given_are_not_given_again(world: World, empty: str) -> None:
    clip(world, "cam1", 1)
    world.database.execute("DELETE FROM segment_changes")
    last = world.database.fetch_one("SELECT last_value FROM segment_changes_id_seq")
    assert last is not None
    load_into(world, empty)
    with psycopg.connect(empty) as connection:
        (now,) = connection.execute("SELECT nextval('segment_changes_id_seq')").fetchone()  # type: ignore[misc]
    assert now == last["last_value"] + 1


def load_into(world: World, url: str, broken: str | None = None) -> list[str]:
    """Load what is in a world; `broken`: a table whose rows end with an error."""
    with PostgresBackupRows(world.database).snapshot() as snapshot:

        def rows(table: Any) -> Iterator[bytes]:
            yield from snapshot.rows(table)
            if table.name == broken:
                raise Retryable("the file cannot be read any more")

        tables = [
            LoadedTable(
                name=each.name,
                columns=each.columns,
                rows=lambda each=each: rows(each),  # type: ignore[misc]
                count=counts(world.database.url)[each.name],
            )
            for each in snapshot.tables
        ]
        return load(
            url,
            Load(
                schema=snapshot.schema,
                made_ms=snapshot.made_ms,
                tables=tables,
                sequences=snapshot.sequences(),
            ),
        )


def test_a_restore_that_is_interrupted_leaves_nothing(world: World, empty: str) -> None:
    clip(world, "cam1", 1)
    with pytest.raises(Retryable):
        load_into(world, empty, broken="video_segments")
    assert counts(empty) == {}
    assert current_version(empty) is None
    assert load_into(world, empty) == []
    assert counts(empty)["video_segments"] == 1


def test_a_broken_byte_is_told_by_name(
    world: World, run: Run, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(world, "cam1", 1)
    whole = tmp_path / "whole.zip"
    write_backup(PostgresBackupRows(world.database), whole, "test")
    data = whole.read_bytes()
    where = data.index(b"tables/video_segments.copy") + 60
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", empty)
    cases = {
        "byte.zip": data[:where] + bytes([data[where] ^ 0x10]) + data[where + 1 :],
        "short.zip": data[:-20],
        "other.zip": b"a letter",
        "nothing.zip": b"",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        done = run("restore", str(tmp_path / name), "--yes")
        assert (done.returncode, done.stdout) == (1, ""), name
        assert f"{name} is no whole backup: " in done.stderr
        assert "Traceback" not in done.stderr
    assert "video_segments" in run("restore", str(tmp_path / "byte.zip"), "--yes").stderr
    assert counts(empty) == {}


def test_what_is_in_use_is_not_overwritten(
    world: World, run: Run, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_store(world.store, world.consistency)
    clip(world, "cam1", 1)
    path = tmp_path / "b.zip"
    write_backup(PostgresBackupRows(world.database), path, "test")
    was = counts(world.database.url)
    for wanted, arguments in (
        ("it is not empty: ", ("restore", str(path), "--yes")),
        ("--yes: give it where nobody can be asked", ("restore", str(path))),
        ("name a backup, or give --latest", ("restore", "--yes")),
        ("is no file", ("restore", str(tmp_path / "none.zip"), "--yes")),
        ("the store has no backup", ("restore", "--latest", "--yes")),
    ):
        done = run(*arguments)
        assert (done.returncode, wanted in done.stderr) == (1, True), done.stderr
    assert counts(world.database.url) == was
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", empty)
    world.store.put(SENTINEL, str(uuid4()).encode(), "text/plain")
    assert "the store belongs to another deployment" in run("restore", str(path), "--yes").stderr
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE TABLE invoices (n int)")
    assert "it has a table invoices" in run("restore", str(path), "--yes").stderr
    assert counts(empty) == {"invoices": 0}


def test_a_fresh_deployment_takes_a_backup_and_keeps_its_store(
    world: World, run: Run, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`migrate` came first: its store is the fresh deployment's own, and becomes the restored
    one's.
    """
    clip(world, "cam1", 1)
    path = tmp_path / "b.zip"
    write_backup(PostgresBackupRows(world.database), path, "test")
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", servers.new_database())
    monkeypatch.setenv("PLATEREEL_STORAGE_URL", f"file://{tmp_path / 'store'}")
    assert run("migrate").returncode == 0
    done = run("restore", str(path), "--yes")
    assert done.returncode == 1  # its clip's object is elsewhere
    assert "clip without its object" in done.stdout
    assert (tmp_path / "store" / SENTINEL).read_text() == str(world.consistency.deployment_id())


def test_a_backup_of_an_older_schema_is_brought_to_this_version(
    servers: Servers, empty: str, tmp_path: Path
) -> None:
    old = servers.new_database(EMPTY)
    with migration(old) as moving:
        moving.to("0001")
    database = Database(old)
    database.open()
    database.execute("INSERT INTO camera_counters VALUES ('gate', 'ready', 1, 0, 5, 0, 1000)")
    rows = PostgresBackupRows(database)
    manifest = write_backup(rows, tmp_path / "old.zip", "0.1.0")
    rows.note(manifest.made_ms)  # this schema has no place for it
    database.close()
    servers.drop_database(old)
    assert manifest.schema_version == "0001"
    with BackupReader(tmp_path / "old.zip") as backup:
        tables = [
            LoadedTable(name=name, columns=each.columns, count=each.rows, rows=lambda name=name: backup.rows(name))  # type: ignore[misc]
            for name, each in manifest.tables.items()
        ]  # fmt: skip
        load(empty, Load(schema="0001", made_ms=1, tables=tables, sequences=manifest.sequences))
    assert current_version(empty) == SCHEMA_VERSION
    assert counts(empty)["camera_counters"] == 1


def test_nightly_backups_are_made_once_and_rotate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_store(world.store, world.consistency)
    deployment, now_ms = world.consistency.deployment_id(), world.clock.now_ms()
    prefix = backups_prefix(deployment)
    for days in range(1, 6):
        name = backup_name(now_ms - days * DAY_MS, "0001")
        world.store.put(f"{prefix}{name}", b"x", "application/zip")
    others = [f"{backups_prefix(uuid4())}{backup_name(1, '0001')}", f"{prefix}notes.txt"]
    for key in others:
        world.store.put(key, b"x", "text/plain")
    mine = ports(world)
    with pytest.raises(Retryable):
        tasks.turn(replace(mine, store=Away()), None)
    world.database.execute("UPDATE jobs SET offered_at = NULL")  # half a minute later
    (job,) = world.jobs.due({})
    tasks.turn(mine, str(job.job_id))
    tasks.turn(mine, None)
    done = world.jobs.get(job.job_id)
    assert (done.kind, done.state) == (JobKind.BACKUP, "done")
    assert done.result is not None
    assert done.result["deleted"] == 3
    left = [each.key for each in stored_backups(world.store, prefix)]
    assert len(left) == 3
    assert left[-1] == done.result["key"]
    assert all(world.store.head(key) is not None for key in others)
    assert mine.rows.last_ms() is not None
    # what the check finds orphaned has to be something else
    assert check(checking(world), {"repair": True})["clean"]
    assert world.store.head(left[-1]) is not None


def test_a_failed_night_is_made_up_for(world: World) -> None:
    since_ms = world.clock.now_ms() - 3_600_000
    first = world.jobs.begin_nightly(JobKind.BACKUP, since_ms)
    assert first is not None
    assert world.jobs.begin_nightly(JobKind.BACKUP, since_ms) is None
    world.jobs.finish(first.job_id, {}, "the disk is full")
    second = world.jobs.begin_nightly(JobKind.BACKUP, since_ms)
    assert second is not None
    world.jobs.finish(second.job_id, {})
    assert world.jobs.begin_nightly(JobKind.BACKUP, since_ms) is None
    assert world.jobs.begin_nightly(JobKind.BACKUP, world.clock.now_ms() + 1000) is not None


def test_the_newest_backup_of_a_second_store_is_restored(
    world: World, run: Run, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_store(world.store, world.consistency)
    monkeypatch.setenv("PLATEREEL_BACKUP_URL", f"file://{tmp_path / 'second'}")
    first = json.loads(run("backup", "--json").stdout)
    assert list(world.store.walk("backups/")) == []
    folder = (tmp_path / "second" / first["key"]).parent
    shutil.copy(folder / Path(first["key"]).name, folder / "2020-01-01T000000Z-0001.zip")
    clip(world, "cam1", 1)
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", empty)
    restored = json.loads(run("restore", "--latest", "--yes", "--json").stdout)
    assert restored["backup"] == Path(first["key"]).name
    assert counts(empty)["video_segments"] == 0


def test_clips_that_no_backup_knows_stay_until_a_person_says_otherwise(
    world: World, empty: str
) -> None:
    """They were recorded between the backup and the loss of the database."""
    claim_store(world.store, world.consistency)
    load_into(world, empty)
    lost = clip(world, "cam1", 0)
    path = str(world.segments.get(lost).file_path)
    database = Database(empty)
    database.open()
    restored = world_of(world, database)
    assert check(restored, {"repair": True, "regular": True})["findings"]["orphan"]["repaired"] == 0
    assert world.store.head(path) is not None
    assert check(restored, {"repair": True})["findings"]["orphan"]["repaired"] == 1
    assert world.store.head(path) is None
    database.close()


def world_of(world: World, database: Database) -> Any:
    from shared.adapters.postgres.consistency import PostgresConsistencyRows  # noqa: PLC0415
    from shared.adapters.postgres.counters import PostgresCounterRows  # noqa: PLC0415

    return replace(
        checking(world),
        rows=PostgresConsistencyRows(database),
        counters=PostgresCounterRows(database),
        restored=PostgresBackupRows(database).restored,
    )


def test_a_backup_shows_one_moment(world: World, tmp_path: Path) -> None:
    """What is written while it is made is in the next one."""
    rows = PostgresBackupRows(world.database)
    with rows.snapshot() as snapshot:
        clip(world, "cam1", 1)
        (table,) = [each for each in snapshot.tables if each.name == "video_segments"]
        assert b"".join(snapshot.rows(table)) == b""
    assert back_up(ports(world, work_dir=tmp_path))["rows"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced_by_a_backup(world: World, run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = run("backup", "--to", str(pipe))
    assert refused.returncode == 1
    assert "is a device or a pipe" in refused.stderr
    assert pipe.is_fifo()


def test_a_file_whose_name_is_no_text_is_written_noted_and_read(
    world: World, run: Run, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_store(world.store, world.consistency)
    path = tmp_path / os.fsdecode(b"gate-\xff.zip")
    assert run("backup", "--to", str(path)).returncode == 0
    (line,) = world.database.fetch("SELECT details FROM access_log WHERE action = 'backup'")
    assert line["details"]["path"].endswith("gate-\\udcff.zip")
    monkeypatch.setenv("PLATEREEL_DATABASE_URL", empty)
    assert run("restore", str(path), "--yes").returncode == 0
