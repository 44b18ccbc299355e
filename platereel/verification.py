"""Checks an evidence archive: signature, and every file against the manifest. Nothing in it is trusted before."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from platereel.zip_layout import check_end, odd, oddities
from shared.adapters.signing import signed_by
from shared.domain.errors import BadInput
from shared.wire.evidence import MANIFEST, SIGNATURE, ListedFile, Manifest, fingerprint, parse_manifest

CHUNK = 1 << 20
MOST_MANIFEST_BYTES, MOST_SIGNATURE_BYTES = 1_000_000, 1_000
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError)

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Verdict:
    """What was found.

    ok: True when all is as it was signed with the key that was given, False when it is not; None when nothing is wrong
    and no key was given: an archive holds its own key, and whoever forges one signs it anew.
    """

    manifest: Manifest
    fingerprint: str
    key_given: bool
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool | None:
        """See the class."""
        if self.problems:
            return False
        return True if self.key_given else None


def verify(path: Path, key: str | None, progress: Progress = lambda *_: None) -> Verdict:
    """Check the archive at `path`; `key` (base64, or a fingerprint) must be the one it is signed with.

    BadInput where the file is no archive of evidence at all.
    """
    with _opened(path) as (file, archive):
        data = _small(archive, MANIFEST, MOST_MANIFEST_BYTES)
        manifest = parse_manifest(data)
        verdict = Verdict(manifest, fingerprint(manifest.public_key), key is not None)
        signature = _small(archive, SIGNATURE, MOST_SIGNATURE_BYTES).decode("ascii", "replace").strip()
        if not signed_by(data, signature, manifest.public_key):
            verdict.problems.append(f"{SIGNATURE}: not a signature of {MANIFEST} by its key")
        if key is not None and _bare(key) not in {_bare(manifest.public_key), _bare(verdict.fingerprint)}:
            verdict.problems.append(f"signed with the key {verdict.fingerprint}, not with the one given")
        verdict.problems += oddities(file, archive)
        verdict.problems += _wrong_names(archive.namelist(), manifest)
        verdict.problems += _wrong_files(archive, manifest, progress)
    return verdict


def _bare(key: str) -> str:
    """A key, or a fingerprint however it is written."""
    plain = key.strip()
    return plain.lower().replace(":", "") if ":" in plain else plain


def _wrong_names(names: list[str], manifest: Manifest) -> Iterator[str]:
    """Every name once, every entry listed, every listed file there, and a clip among them."""
    listed = {each.name for each in manifest.files}
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{name}: there more than once"
        if name not in {MANIFEST, SIGNATURE, *listed}:
            yield f"{name}: not in the manifest"
    for name in sorted(listed - set(names)):
        yield f"{name}: missing"
    if not any(name.endswith(".mp4") for name in listed):
        yield "no clip is listed"


def _wrong_files(archive: zipfile.ZipFile, manifest: Manifest, progress: Progress) -> Iterator[str]:
    """Files whose bytes are not those that were signed; nothing is read beyond the size that was."""
    total, done = sum(listed.size_bytes for listed in manifest.files), 0
    for listed in manifest.files:
        if listed.name not in archive.NameToInfo:
            continue
        start = done
        if not _as_listed(archive, listed, lambda read, start=start: progress(start + read, total)):  # type: ignore[misc]
            yield f"{listed.name}: not what was signed"
        done += listed.size_bytes


def _as_listed(archive: zipfile.ZipFile, listed: ListedFile, progress: Callable[[int], None]) -> bool:
    info = archive.getinfo(listed.name)
    if info.file_size != listed.size_bytes or odd(info) is not None:
        return False
    digest, size = sha256(), 0
    try:
        with archive.open(listed.name) as file:
            while size < listed.size_bytes and (piece := file.read(min(CHUNK, listed.size_bytes - size))):
                digest.update(piece)
                size += len(piece)
                progress(size)
    except _UNREADABLE:
        return False
    return size == listed.size_bytes and digest.hexdigest() == listed.sha256


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, zipfile.ZipFile]]:
    try:
        with path.open("rb") as file:
            check_end(file, str(path))
            with zipfile.ZipFile(file) as archive:
                yield file, archive
    except FileNotFoundError:
        raise BadInput(str(path), "no such file") from None
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror or type(error).__name__}") from error
    except (*_UNREADABLE, ValueError) as error:
        raise BadInput(str(path), "not a whole zip archive") from error


def _small(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    """A small file of the archive, whole."""
    if name not in archive.NameToInfo:
        raise BadInput(name, "is not in the archive: no evidence of platereel")
    if (reason := odd(archive.getinfo(name))) is not None:
        raise BadInput("evidence", reason)
    if archive.getinfo(name).file_size > most_bytes:
        raise BadInput(name, f"is larger than {most_bytes} bytes: no evidence of platereel")
    with archive.open(name) as file:
        return file.read(most_bytes)
