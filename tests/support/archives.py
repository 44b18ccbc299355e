"""Archives of evidence as an export writes them, signed by a key of the tests, with whatever is to
be in them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from shared.adapters.signing import Ed25519Signer
from shared.wire.evidence import ListedFile, Manifest

OURS = Ed25519Signer(b"o" * 32)
CLIP, FACTS = bytes(range(256)) * 50, b'{"plate": "AB123CD"}\n'
Files = dict[str, bytes]
FILES: Files = {"segment.json": FACTS, "gate-1.mp4": CLIP}


class _Pipe(io.RawIOBase):
    """A file that is only written to."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += data  # type: ignore[arg-type]
        return len(data)  # type: ignore[arg-type]


def streamed(entries: Iterable[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A zip that was sent while it was written; a name may come twice."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", kind) as archive:
        for name, data in entries:
            archive.NameToInfo.pop(name, None)  # or a doubled name is warned of
            info = zipfile.ZipInfo(name)
            info.compress_type, info.file_size = kind, len(data)
            with archive.open(info, "w") as file:
                file.write(data)
    return bytes(pipe.data)


def manifest_of(files: Files, signer: Ed25519Signer = OURS, **changes: Any) -> Manifest:
    listed = [ListedFile(name, len(data), sha256(data).hexdigest()) for name, data in files.items()]
    made = Manifest(
        deployment="site",
        segment="1234",
        made_at="2026-11-26T10:00:00+00:00",
        made_by="local",
        public_key=signer.public_key,
        files=listed,
    )
    return replace(made, **changes)


def signed(manifest: bytes, signer: Ed25519Signer = OURS) -> Files:
    return {"manifest.json": manifest, "manifest.sig": signer.sign(manifest).encode() + b"\n"}


def zipped(*entries: tuple[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    return streamed(entries, kind)


def genuine(files: Files = FILES, signer: Ed25519Signer = OURS) -> bytes:
    return zipped(*signed(manifest_of(files, signer).encode(), signer).items(), *files.items())
