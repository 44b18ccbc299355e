"""Evidence archives, written while they are sent: the small files, manifest and signature, then
pictures and films.
"""

from __future__ import annotations

import io
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

from shared.domain.errors import Conflict, Permanent
from shared.domain.ports import ObjectStore, Signer
from shared.domain.segment import Clip
from shared.wire.evidence import MANIFEST, SIGNATURE, ListedFile

README = """What is in this archive:
  the clip as it was recorded (unless manifest.json says that it was left out) and a picture of it;
  viewer.html: unpack the archive, open this file in a browser, and it shows all that follows;
  overlay.mp4, redacted.mp4: copies with times and plates drawn in, or with plates blurred, where these were asked for;
  segment.json: what is known of the clip, with its detections;
  passes.json: which vehicles passed, each with its reads, boxes and corrections; pictures/ has pictures of them;
  clocks.json: how the clocks of the servers stood when this archive was made;
  access-log.json: who looked at the clip until then;
  manifest.json lists these files with their SHA-256, and manifest.sig signs it (Ed25519).
`platereel verify FILE --key FINGERPRINT` checks everything and ends with 0 when all is as it was signed, with 1 when
it is not. Get the fingerprint from the deployment (GET /v2/video/signing-key), never from this archive: without --key
it ends with 2, not judged, for anybody can sign an archive with a key of their own. Keep the archive as it is:
one that was unpacked and zipped again cannot be verified.
"""


class Encoded(Protocol):
    """A manifest that can be signed."""

    def encode(self) -> bytes:
        """The manifest's bytes."""


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


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file that is never held in memory: what it must be, and how to read it."""

    listed: ListedFile
    read: Callable[[], Iterator[bytes]]


def listed(name: str, data: bytes) -> ListedFile:
    """Returns a small file as a manifest lists it."""
    return ListedFile(name, len(data), sha256(data).hexdigest())


def clip_file(store: ObjectStore, clip: Clip, name: str) -> LargeFile:
    """Returns the clip as a file of that name."""
    file = ListedFile(name, clip.size_bytes, clip.sha256)
    return LargeFile(file, partial(unchanged, partial(store.stream, clip.key), file))


def archive(
    signer: Signer,
    manifest: Encoded,
    made_at: datetime,
    small: Mapping[str, bytes],
    large: Sequence[LargeFile],
) -> Iterator[bytes]:
    """Yields the archive's bytes, never more than a piece of a large file at once.

    Stops when a file is no longer what the manifest says, so that no whole archive arrives.
    """
    data = manifest.encode()
    into = _Zip(made_at)
    try:
        signature = signer.sign(data).encode() + b"\n"
        for name, content in {**small, MANIFEST: data, SIGNATURE: signature}.items():
            yield from into.add(name, len(content), iter([content]))
        for each in large:
            yield from into.add(each.listed.name, each.listed.size_bytes, each.read())
    finally:
        rest = into.end()  # what broke off is closed too, and its end is not sent
    yield rest


def check_unchanged(store: ObjectStore, clip: Clip) -> None:
    """Read the clip once before anything is sent; raises Conflict when it is not what was
    recorded.
    """
    try:
        deque(clip_file(store, clip, clip.key).read(), maxlen=0)
    except Permanent as error:
        raise Conflict(error.message) from error


def unchanged(read: Callable[[], Iterator[bytes]], file: ListedFile) -> Iterator[bytes]:
    """Yields a file's bytes; the last piece only when all together are what they must be."""
    digest, size, last = sha256(), 0, b""
    for piece in read():
        digest.update(piece)
        size += len(piece)
        yield last
        last = piece
    if digest.hexdigest() != file.sha256 or size != file.size_bytes:
        raise Permanent(f"{file.name} is not what was recorded")
    yield last
