"""What a backup needs of the world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.domain.ports import BackupRows, Clock, JobRows, ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPorts:
    """What a backup needs of the world.

    store: where backups go. keep: of how many days. hour: of the night (UTC), after which the next
    one is due. version: of the program, for the manifest.
    """

    rows: BackupRows
    store: ObjectStore
    jobs: JobRows
    clock: Clock
    keep: int
    hour: int
    version: str
    work_dir: Path | None = None
