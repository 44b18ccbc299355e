"""Which backups are kept and when one is due, and what a file of one must be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from shared.domain.backup import Restored, StoredBackup, due_since_ms, outdated
from shared.domain.errors import Permanent
from shared.domain.timing import to_ms
from shared.wire.backup import BackupReader, BackupWriter
from shared.wire.keys import (
    backup_name,
    backups_prefix,
    clip_start_ms,
    parse_backup,
    strip_key,
    thumbnail_key,
    video_key,
)

ID = UUID(int=5)


def ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def stored(text: str) -> StoredBackup:
    key = f"{backups_prefix(ID)}{backup_name(ms(text), '0007')}"
    found = parse_backup(key, 10)
    assert found is not None
    assert (found.key, found.deployment, found.made_ms) == (key, ID, ms(text))
    return found


def test_the_night_begins_at_its_hour() -> None:
    assert due_since_ms(ms("2026-11-27T02:00"), 2) == ms("2026-11-27T02:00")
    assert due_since_ms(ms("2026-11-27T01:59"), 2) == ms("2026-11-26T02:00")
    assert due_since_ms(ms("2027-01-01T00:30"), 23) == ms("2026-12-31T23:00")


def test_the_newest_days_are_kept_whole() -> None:
    moments = ["11-20T02:00", "11-22T02:00", "11-22T09:00", "11-23T02:00"]
    backups = [stored(f"2026-{each}") for each in moments]
    assert outdated(backups, 3) == []
    assert outdated(backups, 2) == backups[:1]
    assert outdated(backups, 1) == backups[:3]
    assert outdated([], 1) == []


@pytest.mark.parametrize(
    "name", ["notes.txt", "2026-13-01T020000Z-0007.zip", "2026-11-27T020000Z-7.zip", "a/b.zip"]
)
def test_other_objects_are_no_backups(name: str) -> None:
    assert parse_backup(f"{backups_prefix(ID)}{name}", 1) is None
    assert parse_backup(f"backups/{name}", 1) is None


def test_a_restored_database_cannot_know_what_came_after_its_backup() -> None:
    restored = Restored(from_ms=ms("2026-11-27T02:00"), at_ms=ms("2026-11-27T12:00"))
    known = {"00:30": False, "01:30": True, "11:00": True, "12:30": False}
    for moment, lost in known.items():
        start_ms = ms(f"2026-11-27T{moment}")
        for key in (video_key, thumbnail_key, strip_key):
            assert clip_start_ms(key(ID, start_ms)) == start_ms
        assert restored.lost_row(start_ms) is lost
    assert clip_start_ms(f"parts/{ID}/00001-abc.h264") is None


def written(path: Path, finish: bool = True) -> Path:
    with BackupWriter(path) as out:
        table = out.table("keys", ("id", "note"), [b"1\ta\n2", b"\tb\\nc\n"])
        assert (table.rows, table.size_bytes) == (2, 11)
        out.table("empty", ("id",), [])
        if finish:
            out.finish("1", "0007", ID, 1000, {"keys.id": 2})
    return path


def test_a_backup_reads_as_it_was_written(tmp_path: Path) -> None:
    with BackupReader(written(tmp_path / "b.zip")) as backup:
        assert b"".join(backup.rows("keys")) == b"1\ta\n2\tb\\nc\n"
        assert b"".join(backup.rows("empty")) == b""
        told = backup.manifest
    assert (told.rows, told.deployment, dict(told.sequences)) == (2, ID, {"keys.id": 2})


def test_any_broken_byte_is_found(tmp_path: Path) -> None:
    """Wherever it is, the file is refused or what is read is what was written."""
    whole = written(tmp_path / "b.zip").read_bytes()
    broken, refused = tmp_path / "broken.zip", 0
    for at in range(len(whole)):
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            with BackupReader(broken) as backup:
                rows = {name: b"".join(backup.rows(name)) for name in backup.manifest.tables}
        except Permanent as error:
            assert error.message.startswith("broken.zip is no whole backup: ")
            refused += 1
        else:
            assert rows == {"keys": b"1\ta\n2\tb\\nc\n", "empty": b""}
    assert refused > len(whole) / 2


def test_a_file_without_its_end_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="manifest"):
        BackupReader(written(tmp_path / "b.zip", finish=False))
