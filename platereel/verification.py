"""Checks an evidence archive: its signature, and every file against the manifest.

Nothing in it is trusted before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from platereel.zip_layout import Entry, data_of, read_layout
from shared.adapters.signing import signed_by
from shared.domain.errors import BadInput
from shared.wire.evidence import (
    MANIFEST,
    SIGNATURE,
    ListedFile,
    Manifest,
    fingerprint,
)
from shared.wire.incident_evidence import IncidentManifest, parse_any_manifest

MOST_MANIFEST_BYTES, MOST_SIGNATURE_BYTES = 1_000_000, 1_000

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Verdict:
    """The result of a check.

    ok: True when everything is as it was signed with the given key, False when it is not. None when
    nothing is wrong and no key was given: an archive holds its own key, and a forger signs it anew.
    """

    manifest: Manifest | IncidentManifest
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
    """Check the archive at `path`. `key` (base64, or a fingerprint) must be the one that signed it.

    Raises BadInput where the file is no evidence archive, or is laid out in any other way than an
    export.
    """
    with opened(path) as file:
        entries = read_layout(file, str(path))
        data = _small(file, entries, MANIFEST, MOST_MANIFEST_BYTES)
        manifest = parse_any_manifest(data)
        verdict = Verdict(manifest, fingerprint(manifest.public_key), key is not None)
        signature = (
            _small(file, entries, SIGNATURE, MOST_SIGNATURE_BYTES)
            .decode("ascii", "replace")
            .strip()
        )
        if not signed_by(data, signature, manifest.public_key):
            verdict.problems.append(f"{SIGNATURE}: not a signature of {MANIFEST} by its key")
        if key is not None and not is_key(key, manifest.public_key):
            verdict.problems.append(
                f"signed with the key {verdict.fingerprint}, not with the one given"
            )
        verdict.problems += _wrong_names([entry.name for entry in entries], manifest)
        verdict.problems += _wrong_files(file, entries, manifest, progress)
    return verdict


def is_key(given: str, public_key: str) -> bool:
    """Returns whether a key or a fingerprint that was given is of this public key."""
    return _bare(given) in {_bare(public_key), _bare(fingerprint(public_key))}


def _bare(key: str) -> str:
    """Returns a key, or a fingerprint in any spelling, in its plain form."""
    plain = key.strip()
    return plain.lower().replace(":", "") if ":" in plain else plain


def _wrong_names(names: list[str], manifest: Manifest | IncidentManifest) -> Iterator[str]:
    """Yields problems of names: each must be there once, be listed, and have its file; a clip, or
    a changed copy of it, must be among them.
    """
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
    if isinstance(manifest, IncidentManifest):
        return
    for made in (manifest.overlay, manifest.redaction):
        if made is not None and made.name not in listed:
            yield f"{made.name}: not among the files of the manifest that tells of it"


def _wrong_files(
    file: BinaryIO,
    entries: list[Entry],
    manifest: Manifest | IncidentManifest,
    progress: Progress,
) -> Iterator[str]:
    """Yields files whose bytes are not those that were signed.

    Reads nothing beyond the signed size.
    """
    total, done = sum(listed.size_bytes for listed in manifest.files), 0
    found = {entry.name: entry for entry in entries}
    for listed in manifest.files:
        if listed.name not in found:
            continue
        if not _as_listed(
            file, found[listed.name], listed, partial(_further, progress, done, total)
        ):
            yield f"{listed.name}: not what was signed"
        done += listed.size_bytes


def _further(progress: Progress, done: int, total: int, read: int) -> None:
    progress(done + read, total)


def _as_listed(
    file: BinaryIO, entry: Entry, listed: ListedFile, progress: Callable[[int], None]
) -> bool:
    if entry.size_bytes != listed.size_bytes:
        return False
    digest, size = sha256(), 0
    try:
        for piece in data_of(file, entry):
            digest.update(piece)
            size += len(piece)
            progress(size)
    except BadInput:
        return False
    return digest.hexdigest() == listed.sha256


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Yields a file to read; raises BadInput where that cannot be."""
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise BadInput(str(path), "no such file") from None
    except OSError as error:
        raise BadInput(
            str(path), f"cannot be read: {error.strerror or type(error).__name__}"
        ) from error


def _small(file: BinaryIO, entries: list[Entry], name: str, most_bytes: int) -> bytes:
    """Returns a small file of the archive, whole."""
    entry = next((each for each in entries if each.name == name), None)
    if entry is None:
        raise BadInput(name, "is not in the archive: it is no evidence archive")
    if entry.size_bytes > most_bytes:
        raise BadInput(name, f"is larger than {most_bytes} bytes: no evidence of platereel")
    return b"".join(data_of(file, entry))
