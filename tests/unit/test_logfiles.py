"""Files of a log: bounded, whole lines, the newest of them kept, for their owner alone."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platereel.embedded.logfiles import LogFile

CHUNKS = st.lists(st.text("ab\n", min_size=1, max_size=20).map(str.encode), max_size=8)


def files_of(log: Path) -> list[bytes]:
    """What is kept, the oldest first."""
    older = sorted(log.parent.glob(f"{log.name}.*"), key=lambda path: -int(path.suffix[1:]))
    return [path.read_bytes() for path in [*older, log] if path.exists()]


@given(chunks=CHUNKS, most=st.integers(3, 30))
def test_everything_is_kept_in_order_and_no_line_is_in_two_files(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], most: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = LogFile(folder / "child.log", most, 1000)
    for chunk in chunks:
        log.write(chunk)
    log.close()
    files = files_of(folder / "child.log")
    assert b"".join(files) == b"".join(chunks)
    for text in files:
        # a line that came in pieces, or is larger than a file, is not cut
        assert text.rstrip(b"\n").rfind(b"\n") + 1 <= most
    for before in files[:-1]:
        assert before
        assert before.endswith(b"\n") or len(before) >= 2 * most


def test_the_newest_files_are_kept(tmp_path: Path) -> None:
    for number in (1, 2, 3, 7):
        (tmp_path / f"child.log.{number}").write_text(f"earlier {number}\n")
    (tmp_path / "child.log.old").touch()  # somebody's own
    log = LogFile(tmp_path / "child.log", 10, 3)
    for number in range(5):
        log.write(f"line {number:04}\n".encode())
    log.close()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "child.log": "line 0004\n", "child.log.1": "line 0003\n", "child.log.2": "line 0002\n", "child.log.old": "",
    }  # fmt: skip


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "child.log").touch(mode=0o644)
    log = LogFile(tmp_path / "child.log", 10, 2)
    log.write(b"123456789\n123456789\n")
    log.close()
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "child.log": 0o600, "child.log.1": 0o600,
    }  # fmt: skip


def test_a_log_that_grew_before_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "child.log").write_bytes(b"x" * 100)
    log = LogFile(tmp_path / "child.log", 10, 2)
    log.write(b"new\n")
    log.close()
    assert files_of(tmp_path / "child.log") == [b"x" * 100, b"new\n"]


def test_a_full_disk_holds_nobody_up_and_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(tmp_path / "child.log", 1000, 2)
    log.write(b"before\nhalf")

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "write", full)
        log.write(b" a line\n")
        log.write(b"12345\n")
    log.write(b"after\n")
    log.close()
    first, half, note, last = (tmp_path / "child.log").read_text().splitlines()
    assert (first, half, last) == ("before", "half", "after")
    assert json.loads(note) == {
        "event": "log_bytes_missing", "bytes": 14, "reason": "not writable",
    }  # fmt: skip


def test_where_files_cannot_be_renamed_the_old_one_is_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    log = LogFile(tmp_path / "child.log", 10, 2)
    with monkeypatch.context() as context:
        context.setattr(Path, "replace", refused)
        for number in range(3):
            log.write(f"line {number:04}\n".encode())
        assert files_of(tmp_path / "child.log") == [b"line 0000\nline 0001\nline 0002\n"]
    log.write(b"line 0003\n")
    log.close()
    assert files_of(tmp_path / "child.log")[-1] == b"line 0003\n"
