"""Checks an evidence archive: signature, and every file against the manifest."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from shared.adapters.signing import signed_by
from shared.domain.errors import BadInput
from shared.wire.evidence import MANIFEST, SIGNATURE, Manifest, fingerprint, parse_manifest

CHUNK = 1 << 20
MOST_SMALL_BYTES = 10_000_000  # of a manifest: nothing larger is read whole


@dataclass(slots=True)
class Verdict:
    """What was found; `problems` is empty when all is as it was signed."""

    manifest: Manifest
    fingerprint: str
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Contents:
    names: list[str]
    opened: Callable[[str], BinaryIO]


def verify(path: Path, key: str | None, progress: Callable[[int, int], None] = lambda *_: None) -> Verdict:
    """Check the archive at `path`; `key` (base64, or a fingerprint) must be the one it is signed with.

    BadInput where the file is no archive of evidence at all.
    """
    with _contents(path) as contents:
        data = _small(contents, MANIFEST)
        verdict = Verdict(manifest := parse_manifest(data), fingerprint(manifest.public_key))
        signature = _small(contents, SIGNATURE).decode("ascii", "replace").strip()
        if not signed_by(data, signature, manifest.public_key):
            verdict.problems.append(f"{SIGNATURE}: not a signature of {MANIFEST} by its key")
        if key is not None and key not in {manifest.public_key, verdict.fingerprint}:
            verdict.problems.append(f"signed with the key {verdict.fingerprint}, not with the one given")
        total, done = sum(listed.size_bytes for listed in manifest.files), 0
        for listed in manifest.files:
            if contents.names.count(listed.name) != 1:
                verdict.problems.append(f"{listed.name}: {'missing' if listed.name not in contents.names else 'twice'}")
                continue
            digest, size = sha256(), 0
            with contents.opened(listed.name) as file:
                while piece := file.read(CHUNK):
                    digest.update(piece)
                    size += len(piece)
                    progress(done + size, total)
            done += size
            if size != listed.size_bytes or digest.hexdigest() != listed.sha256:
                verdict.problems.append(f"{listed.name}: not what was signed")
        known = {MANIFEST, SIGNATURE, *(listed.name for listed in manifest.files)}
        verdict.problems += [f"{name}: not in the manifest" for name in contents.names if name not in known]
    return verdict


@contextmanager
def _contents(path: Path) -> Iterator[_Contents]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zipped:
                yield _Contents(zipped.namelist(), lambda name: cast("BinaryIO", zipped.open(name)))
        else:
            with tarfile.open(path, "r:") as tar:
                yield _Contents(tar.getnames(), lambda name: cast("BinaryIO", tar.extractfile(name)))
    except FileNotFoundError:
        raise BadInput(str(path), "no such file") from None
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise BadInput(str(path), "neither a whole zip nor a whole tar archive") from error


def _small(contents: _Contents, name: str) -> bytes:
    if name not in contents.names:
        raise BadInput(name, "is not in the archive: no evidence of platereel")
    with contents.opened(name) as file:
        return file.read(MOST_SMALL_BYTES)
