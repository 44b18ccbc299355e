"""One backup: the database into a file, the file into the store, then old ones out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.domain.backup import StoredBackup, outdated
from shared.domain.ports import BackedUpTable, BackupRows, ObjectStore, Progress, Snapshot
from shared.runtime.logs import logger
from shared.runtime.workspace import workspace
from shared.wire.backup import BackupManifest, BackupWriter
from shared.wire.keys import BACKUPS, backup_name, backups_prefix, parse_backup
from workers.backup.ports import BackupPorts

MEDIA_TYPE = "application/zip"
_log = logger(__name__)


def back_up(ports: BackupPorts, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Make a backup, store it, record it, and delete those that are older than wanted.

    Returns what was stored. Nothing is deleted before the new one is stored and recorded.
    """
    with workspace(ports.work_dir, ports.clock) as folder:
        path = folder / "backup.zip"
        manifest = write_backup(ports.rows, path, ports.version, progress)
        name = backup_name(manifest.made_ms, manifest.schema_version)
        key = f"{backups_prefix(manifest.deployment)}{name}"
        size = path.stat().st_size

        def still_here() -> bool:
            progress("upload", 0, size)  # a job that tells nothing is taken for dead
            return True

        ports.store.prepare()
        ports.store.put(key, path, MEDIA_TYPE, allowed=still_here)
    ports.rows.note(manifest.made_ms)
    return {
        "key": key,
        "bytes": size,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
        "deleted": _rotate(ports, manifest),
    }


def write_backup(
    rows: BackupRows, path: Path, version: str, progress: Progress = lambda *_: None
) -> BackupManifest:
    """Write the database as it is now into a file. Returns its manifest."""
    with rows.snapshot() as snapshot, BackupWriter(path) as out:
        total, done = sum(table.about_rows for table in snapshot.tables), 0
        for table in snapshot.tables:
            out.table(table.name, table.columns, _told(snapshot, table, progress, done, total))
            done += out.tables[table.name].rows
        return out.finish(
            platereel=version,
            schema=snapshot.schema,
            deployment=snapshot.deployment,
            made_ms=snapshot.made_ms,
            sequences=snapshot.sequences(),
        )


def _told(
    snapshot: Snapshot, table: BackedUpTable, progress: Progress, done: int, total: int
) -> Iterator[bytes]:
    progress("rows", done, max(done, total))
    for piece in snapshot.rows(table):
        yield piece
        done += piece.count(b"\n")
        progress("rows", done, max(done, total))


def stored_backups(store: ObjectStore, prefix: str = BACKUPS) -> list[StoredBackup]:
    """Returns the backups in a store, the oldest first. What has another name is none."""
    found = (parse_backup(each.key, each.size_bytes) for each in store.walk(prefix))
    return sorted((each for each in found if each is not None), key=lambda each: each.made_ms)


def _rotate(ports: BackupPorts, manifest: BackupManifest) -> int:
    """Delete this deployment's old backups. Returns how many went."""
    if ports.keep == 0:  # none are wanted every night: what a person makes is a person's
        return 0
    there = stored_backups(ports.store, backups_prefix(manifest.deployment))
    going = [each.key for each in outdated(there, ports.keep)]
    failed = ports.store.delete(going)
    for key, why in failed.items():
        _log.warning("backup_not_deleted", key=key, reason=why)
    return len(going) - len(failed)
