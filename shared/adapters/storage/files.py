"""Objects as files, written whole or not at all, and on disk before anybody is told."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from shared.adapters.allowance import Allowance
from shared.domain.errors import NotFound, Permanent, Retryable
from shared.domain.ports import Allowed, StoredObject, StoreSpace

CHUNK = 1 << 20
_TEMPORARY = ".part-"
# Others remove a folder that is empty; so often in a row only one that cannot be used.
_OPEN_TRIES = 5


class FileObjects:
    """Implements the port `ObjectStore` below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        with _kinds():
            self._root.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """See the port; a folder has no connections."""

    def put(
        self,
        key: str,
        body: bytes | Path,
        content_type: str,
        *,
        patience_s: float | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        """Writes a temporary file, fsync, rename, fsync of the folder.

        content_type and patience_s are not used.
        """
        target = self._path(key)
        with _kinds():
            temporary = target.with_name(f"{_TEMPORARY}{uuid4().hex}")
            try:
                with _opened(temporary) as out:
                    with body.open("rb") if isinstance(body, Path) else io.BytesIO(body) as source:
                        shutil.copyfileobj(
                            cast("BinaryIO", Allowance(source, key, allowed)), out, CHUNK
                        )
                    out.flush()
                    os.fsync(out.fileno())
                temporary.replace(target)
                _sync_folder(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        with _kinds(key):
            return self._path(key).read_bytes()

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with _kinds(key), self._path(key).open("rb") as source:
            source.seek(start)
            left = length
            while left is None or left > 0:
                piece = source.read(CHUNK if left is None else min(CHUNK, left))
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                yield piece

    def head(self, key: str) -> StoredObject | None:
        with _kinds():
            try:
                found = self._path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return StoredObject(key, found.st_size, found.st_mtime_ns // 1_000_000)

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Files that are still being written are no objects. Holds one folder's names at a time."""
        base = prefix.rpartition("/")[0]
        with _kinds():
            for key in _keys(self._root / base, f"{base}/" if base else "", after):
                if key.startswith(prefix):
                    stored = self.head(key)
                    if stored is not None:
                        yield stored

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """Deletes folders that became empty, too."""
        failed: dict[str, str] = {}
        for key in keys:
            path = self._path(key)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                failed[key] = error.strerror or type(error).__name__
                continue
            if path.parent != self._root:
                _remove_empty(path.parent)
        return failed

    def abandon_uploads(self, before_ms: int) -> int:
        """Deletes temporary files of writers that were killed."""
        count = 0
        with _kinds():
            for path in _temporaries(self._root):
                with suppress(FileNotFoundError):  # its writer has just ended
                    if path.stat().st_mtime * 1000 < before_ms:
                        path.unlink()
                        count += 1
        return count

    def presigned(self, key: str, seconds: float, file_name: str, content_type: str) -> str | None:
        """None: there is no server to send a browser to."""
        return None

    def room(self) -> StoreSpace | None:
        """Of the disk that the folder is on."""
        with _kinds():
            found = shutil.disk_usage(self._root)
        return StoreSpace(found.total, found.free)

    def _path(self, key: str) -> Path:
        if not key or key.startswith("/") or ".." in key.split("/"):
            raise Permanent("a storage key that leaves its folder", key=key)
        return self._root / key


def _keys(folder: Path, base: str, after: str) -> Iterator[str]:
    """Yields the keys of files below a folder, in byte order, after a key; `base` is the folder's
    own key with its slash.
    """
    try:
        names = sorted(
            f"{entry.name}/" if entry.is_dir() else entry.name for entry in os.scandir(folder)
        )
    except (FileNotFoundError, NotADirectoryError):
        return  # never made, or emptied meanwhile
    for name in names:
        if not _storable(name):
            continue
        key = base + name
        if name.endswith("/"):
            if key + "\U0010ffff" > after:
                yield from _keys(folder / name, key, after)
        elif key > after and not name.startswith(_TEMPORARY):
            yield key


def _storable(name: str) -> bool:
    """Returns whether a file's name can be a key: no row expects one that is not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _temporaries(root: Path) -> Iterator[Path]:
    """Yields temporary files. A folder that goes meanwhile, or that cannot be read, has none."""
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names if name.startswith(_TEMPORARY))


def _opened(temporary: Path) -> BinaryIO:
    """Opens a new file and makes its folder, again where somebody removes that in between.

    Raises Retryable where the folder does not stay.
    """
    gone: OSError | None = None
    for _ in range(_OPEN_TRIES):
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            return temporary.open("wb")
        except (FileNotFoundError, FileExistsError) as error:
            gone = error
    raise Retryable(f"the storage folder refuses: {gone and gone.strerror}") from gone


def _remove_empty(folder: Path) -> None:
    """Removes a folder unless something is in it, or it is gone."""
    with suppress(OSError):
        folder.rmdir()


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return  # somebody has deleted what was put there, and the folder with it
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _kinds(key: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"there is no object {key}", key=key) from error
    except OSError as error:
        raise Retryable(f"the storage folder refuses: {error.strerror}", key=key) from error
