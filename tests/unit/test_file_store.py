"""The folder of objects, while others remove folders and rename files in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.storage.files import FileObjects
from shared.domain.errors import Retryable

FAR_AHEAD_MS = 10**14
DAY, CLIP = "videos/2026-01-01", "videos/2026-01-01/a.mp4"

Before = Callable[[object, str, Callable[[Path], None]], None]


@pytest.fixture
def store(tmp_path: Path) -> FileObjects:
    opened = FileObjects(tmp_path)
    opened.prepare()
    return opened


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Before:
    """Makes something happen before each call of a function, but those of the event itself."""
    inside: list[str] = []

    def patch(owner: object, name: str, event: Callable[[Path], None]) -> None:
        call = getattr(owner, name)

        def late(subject: Any, *given: Any, **named: Any) -> Any:
            if not inside:
                inside.append(name)
                event(Path(subject))
                inside.pop()
            return call(subject, *given, **named)

        monkeypatch.setattr(owner, name, late)

    return patch


def test_a_writer_that_ends_during_the_look_for_dead_ones_keeps_its_object(
    store: FileObjects, tmp_path: Path, before: Before
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("ends", "dead"):
        (folder / f".part-{name}").write_bytes(b"x")

    def end(path: Path) -> None:
        if path.name == ".part-ends":
            path.rename(folder / "a.mp4")

    before(Path, "stat", end)
    assert store.abandon_uploads(FAR_AHEAD_MS) == 1
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]


def test_a_folder_that_goes_during_the_look_for_dead_writers_is_passed_over(
    store: FileObjects, tmp_path: Path, before: Before
) -> None:
    (tmp_path / DAY).mkdir(parents=True)
    (tmp_path / "videos/.part-dead").write_bytes(b"half")
    before(os, "scandir", lambda folder: folder.rmdir() if folder == tmp_path / DAY else None)
    assert store.abandon_uploads(FAR_AHEAD_MS) == 1


def test_two_who_delete_the_last_objects_of_a_day_both_succeed(
    store: FileObjects, tmp_path: Path, before: Before
) -> None:
    def other(folder: Path) -> None:
        with suppress(FileNotFoundError):
            folder.rmdir()

    store.put(CLIP, b"clip", "video/mp4")
    for name in ("iterdir", "rmdir"):  # whichever the store begins with, the other was faster
        before(Path, name, other)
    assert store.delete([CLIP]) == {}
    assert not (tmp_path / DAY).exists()


def test_an_object_is_stored_although_its_folder_goes_once(
    store: FileObjects, before: Before
) -> None:
    left = [DAY]
    before(Path, "open", lambda path: path.parent.rmdir() if left and left.pop() else None)
    store.put(CLIP, b"clip", "video/mp4")
    assert (store.get(CLIP), left) == (b"clip", [])


def test_a_folder_that_never_stays_is_tried_again_later(store: FileObjects, before: Before) -> None:
    """A task that does not find something is not tried again."""
    before(Path, "open", lambda path: path.parent.rmdir())
    with pytest.raises(Retryable, match="No such file"):
        store.put(CLIP, b"clip", "video/mp4")


def test_an_object_that_is_deleted_as_soon_as_it_is_there_was_stored(
    store: FileObjects, tmp_path: Path, before: Before
) -> None:
    def delete(folder: Path) -> None:
        if folder == tmp_path / DAY:
            store.delete([CLIP])

    before(os, "open", delete)
    store.put(CLIP, b"clip", "video/mp4")
    assert not (tmp_path / DAY).exists()
