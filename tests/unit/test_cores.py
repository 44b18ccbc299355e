"""Threads for idle cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.runtime import cores


@pytest.mark.parametrize(
    ("load", "quota", "threads"),
    [
        ("0.00 0.01 0.05 1/300 999", "max 100000", 4),
        ("0.00 0.01 0.05 8/300 999", "max 100000", 1),
        ("0.00 0.01 0.05 7/300 999", "max 100000", 2),
        ("0.00 0.01 0.05 1/300 999", "150000 100000", 2),
        ("0.00 0.01 0.05 1/300 999", "50000 100000", 1),
        ("nonsense", "max 100000", 1),
    ],
)
def test_threads(
    load: str, quota: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight cores, some of them busy, some of them not this group's."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, text in (("_LOAD", load), ("_QUOTA", quota)):
        (tmp_path / name).write_text(text, encoding="ascii")
        monkeypatch.setattr(cores, name, tmp_path / name)
    assert cores.idle_threads() == threads


def test_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_LOAD", tmp_path / "nothing")
    assert cores.idle_threads() == 1
