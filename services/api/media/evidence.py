"""Evidence archives, written while they are sent: clip, picture, facts, manifest and signature."""

from __future__ import annotations

import io
import json
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from shared.domain.errors import Conflict, NotFound, Permanent
from shared.domain.ports import ObjectStore, Signer
from shared.domain.segment import Clip, DetailedSegment
from shared.wire import api as schemas
from shared.wire.evidence import MANIFEST, SIGNATURE, ListedFile, Manifest

README = """What is in this archive:
  the clip as it was recorded, a picture of it, and segment.json: what is known of it, with its detections;
  manifest.json lists these files with their SHA-256, and manifest.sig signs it (Ed25519).
`platereel verify FILE --key FINGERPRINT` checks everything and ends with 0 when all is as it was signed, with 1 when
it is not. Get the fingerprint from the deployment (GET /v2/video/signing-key), never from this archive: without --key
it ends with 2, not judged, for anybody can sign an archive with a key of their own. Keep the archive as it is:
one that was unpacked and zipped again cannot be verified.
"""


class _Pipe(io.RawIOBase):
    """A file that is only written to; the sender takes what was written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class _Zip:
    """A zip that is written piece by piece; stored, not compressed, because video does not shrink.

    `platereel.zip_layout` accepts exactly this layout and no other: a change here is a change
    there.
    """

    def __init__(self, made_at: datetime) -> None:
        self._pipe = _Pipe()
        self._zip = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_STORED)
        self._date = made_at.timetuple()[:6]

    def add(self, name: str, size_bytes: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Add a file. Yields what of the archive is ready to be sent."""
        info = zipfile.ZipInfo(name, self._date)
        info.file_size = size_bytes
        with self._zip.open(info, "w") as file:
            for piece in pieces:
                file.write(piece)
                yield self._pipe.take()
        yield self._pipe.take()

    def end(self) -> bytes:
        """Finish the archive. Returns what is left to send."""
        self._zip.close()
        return self._pipe.take()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What goes into one archive: the segment with its detections, its clip, and who asked for
    it.
    """

    segment: DetailedSegment
    clip: Clip
    name: str
    deployment: str
    made_at: datetime
    made_by: str


def archive(store: ObjectStore, signer: Signer, evidence: Evidence) -> Iterator[bytes]:
    """Yields the archive's bytes, never more than a piece of the clip at once.

    Stops when the clip is no longer what was recorded, so that no whole archive arrives.
    """
    segment, clip = evidence.segment, evidence.clip
    small = {"README.txt": README.encode(), "segment.json": _facts(segment)}
    if segment.thumbnail_path is not None:
        picture = _picture(store, segment.thumbnail_path)
        if picture is not None:
            small[f"{evidence.name}.jpg"] = picture
    film = f"{evidence.name}.mp4"
    listed = [
        ListedFile(name, len(data), sha256(data).hexdigest())
        for name, data in sorted(small.items())
    ]
    listed.append(ListedFile(film, clip.size_bytes, clip.sha256))
    manifest = Manifest(
        deployment=evidence.deployment,
        segment=str(segment.id),
        made_at=evidence.made_at.isoformat(),
        made_by=evidence.made_by,
        public_key=signer.public_key,
        files=listed,
    ).encode()
    small |= {MANIFEST: manifest, SIGNATURE: signer.sign(manifest).encode() + b"\n"}
    into = _Zip(evidence.made_at)
    try:
        for name, data in small.items():
            yield from into.add(name, len(data), iter([data]))
        yield from into.add(film, clip.size_bytes, _unchanged(store, clip))
    finally:
        rest = into.end()  # what broke off is closed too, and its end is not sent
    yield rest


def check_unchanged(store: ObjectStore, clip: Clip) -> None:
    """Read the clip once before anything is sent; raises Conflict when it is not what was
    recorded.
    """
    try:
        deque(_unchanged(store, clip), maxlen=0)
    except Permanent as error:
        raise Conflict(error.message) from error


def _facts(segment: DetailedSegment) -> bytes:
    facts = schemas.SegmentDetail.model_validate(segment).model_dump(mode="json", by_alias=True)
    return json.dumps(facts, indent=2, sort_keys=True).encode() + b"\n"


def _picture(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except NotFound:
        return None


def _unchanged(store: ObjectStore, clip: Clip) -> Iterator[bytes]:
    """Yields the clip's bytes; the last piece only when all together are what was recorded."""
    digest, size, last = sha256(), 0, b""
    for piece in store.stream(clip.key):
        digest.update(piece)
        size += len(piece)
        yield last
        last = piece
    if digest.hexdigest() != clip.sha256 or size != clip.size_bytes:
        raise Permanent(f"{clip.key} is not what was recorded")
    yield last
