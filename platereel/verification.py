"""Checks an evidence archive: signature, and every file against the manifest."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

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


def verify(path: Path, key: str | None, progress: Callable[[int, int], None] = lambda *_: None) -> Verdict:
    """Check the archive at `path`; `key` (base64, or a fingerprint) must be the one it is signed with.

    BadInput where the file is no archive of evidence at all.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        data = _small(archive, MANIFEST)
        verdict = Verdict(manifest := parse_manifest(data), fingerprint(manifest.public_key))
        signature = _small(archive, SIGNATURE).decode("ascii", "replace").strip()
        if not signed_by(data, signature, manifest.public_key):
            verdict.problems.append(f"{SIGNATURE}: not a signature of {MANIFEST} by its key")
        if key is not None and key not in {manifest.public_key, verdict.fingerprint}:
            verdict.problems.append(f"signed with the key {verdict.fingerprint}, not with the one given")
        total, done = sum(listed.size_bytes for listed in manifest.files), 0
        for listed in manifest.files:
            if names.count(listed.name) != 1:
                verdict.problems.append(f"{listed.name}: {'missing' if listed.name not in names else 'twice'}")
                continue
            digest, size = sha256(), 0
            with archive.open(listed.name) as file:
                while piece := file.read(CHUNK):
                    digest.update(piece)
                    size += len(piece)
                    progress(done + size, total)
            done += size
            if size != listed.size_bytes or digest.hexdigest() != listed.sha256:
                verdict.problems.append(f"{listed.name}: not what was signed")
        known = {MANIFEST, SIGNATURE, *(listed.name for listed in manifest.files)}
        verdict.problems += [f"{name}: not in the manifest" for name in names if name not in known]
    return verdict


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise BadInput(str(path), "no such file") from None
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise BadInput(str(path), "not a whole zip archive") from error


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    if name not in archive.namelist():
        raise BadInput(name, "is not in the archive: no evidence of platereel")
    with archive.open(name) as file:
        return file.read(MOST_SMALL_BYTES)
