"""Finds a backup, looks whether it is whole, and loads it into an empty deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.restore import load, refusal
from shared.deployment import Deployment
from shared.domain.backup import StoredBackup
from shared.domain.errors import BadInput, Conflict, NotFound
from shared.domain.ports import Load, LoadedTable, ObjectStore, Progress
from shared.domain.timing import from_ms
from shared.runtime.workspace import workspace
from shared.wire.backup import BackupManifest, BackupReader
from shared.wire.keys import SENTINEL
from workers.backup.backup import stored_backups


@contextmanager
def newest(deployment: Deployment, progress: Progress) -> Iterator[Path]:
    """Yields the newest backup of the store, as a file for the length of the block."""
    backup = _newest_of(stored_backups(deployment.backup_store), _owner(deployment.store))
    with workspace(deployment.settings.work_dir, deployment.clock) as folder:
        path = folder / Path(backup.key).name
        path.touch(mode=0o600)
        done = 0
        with path.open("wb") as out:
            for piece in deployment.backup_store.stream(backup.key):
                out.write(piece)
                done += len(piece)
                progress("fetch", done, backup.size_bytes)
        yield path


def _newest_of(backups: list[StoredBackup], owner: str | None) -> StoredBackup:
    """Of the deployment that the clips' store belongs to, or of the only one that has any."""
    if not backups:
        raise NotFound("the store has no backup; name a file, or set PLATEREEL_BACKUP_URL")
    ids = sorted({str(each.deployment) for each in backups})
    wanted = owner if owner in ids else ids[0] if len(ids) == 1 else None
    if wanted is None:
        raise Conflict(
            f"the store has backups of several deployments ({', '.join(ids)}): fetch one and name its file"
        )
    return next(each for each in reversed(backups) if str(each.deployment) == wanted)


def _owner(store: ObjectStore) -> str | None:
    """Returns the id in the store's sentinel, None where there is none."""
    try:
        return store.get(SENTINEL).decode("utf-8", "replace").strip()
    except NotFound:
        return None


def read_through(path: Path, progress: Progress) -> BackupManifest:
    """Returns a backup's manifest after reading all of it. Raises Permanent where it is damaged."""
    with BackupReader(path) as backup:
        done, total = 0, sum(table.size_bytes for table in backup.manifest.tables.values())
        for table in backup.manifest.tables:
            for piece in backup.rows(table):
                done += len(piece)
                progress("read", done, total)
        return backup.manifest


def restore(
    deployment: Deployment, path: Path, manifest: BackupManifest, who: str, progress: Progress
) -> list[str]:
    """Load a backup into the deployment's database, and claim the store for it.

    Raises Conflict, and changes nothing, where the database or the store is in use by another
    deployment. Returns the tables that were not loaded because no version of Platereel has them.
    """
    url = deployment.urls.database
    wrong, there = refusal(url, manifest.schema_version)
    if wrong is not None:
        raise Conflict(f"the database cannot take this backup: {wrong}")
    _check_owner(deployment.store, manifest.deployment, there)
    with BackupReader(path) as backup:
        tables = [
            LoadedTable(
                name=name,
                columns=table.columns,
                rows=partial(backup.rows, name),
                count=table.rows,
            )
            for name, table in backup.manifest.tables.items()
        ]
        done: dict[str, int] = {}

        def tell(table: str, rows: int) -> None:
            done[table] = rows
            progress("load", sum(done.values()), manifest.rows)

        skipped = load(
            url,
            Load(
                schema=manifest.schema_version,
                made_ms=manifest.made_ms,
                tables=tables,
                sequences=manifest.sequences,
            ),
            tell,
        )
    deployment.store.prepare()
    deployment.store.put(SENTINEL, str(manifest.deployment).encode(), "text/plain")
    made = from_ms(manifest.made_ms).isoformat()
    PostgresAccessRows(deployment.database).note(who, "restore", None, {"backup": path.name, "made": made})  # fmt: skip
    return skipped


def _check_owner(store: ObjectStore, restored: UUID, there: UUID | None) -> None:
    """Refuse a store that belongs neither to the deployment of the backup nor to the empty one."""
    owner = _owner(store)
    if owner not in {None, str(restored), str(there)}:
        raise Conflict(
            f"the store belongs to another deployment ({str(owner)[:36]}); the backup is of {restored}"
        )


def backup_file(given: Path) -> Path:
    """Returns a file that a person names; raises BadInput where there is none."""
    if not given.is_file():
        raise BadInput(str(given), "is no file; --latest takes the newest backup of the store")
    return given
