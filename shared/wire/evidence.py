"""The manifest of an evidence archive: what is in it, with hashes, as text that a signature can be made over.

An archive holds `manifest.json`, `manifest.sig` (base64 of an Ed25519 signature over the manifest's bytes) and the
files that the manifest lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from shared.domain.errors import BadInput

FORMAT = "platereel-evidence/1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the archive: name, size in bytes, SHA-256 in hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who made the archive when, of which segment, with which key (base64), and its files."""

    deployment: str
    segment: str
    made_at: str
    made_by: str
    public_key: str
    files: Sequence[ListedFile]

    def encode(self) -> bytes:
        """The manifest's bytes; the same manifest gives the same."""
        files = [{"name": f.name, "bytes": f.size_bytes, "sha256": f.sha256} for f in self.files]
        body = {
            "format": FORMAT, "deployment": self.deployment, "segment": self.segment, "made_at": self.made_at,
            "made_by": self.made_by, "key": {"algorithm": "Ed25519", "public": self.public_key}, "files": files,
        }  # fmt: skip
        return json.dumps(body, indent=2, sort_keys=True).encode() + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest; BadInput says what is wrong with it."""
    try:
        body: Mapping[str, Any] = json.loads(data)
        if body["format"] != FORMAT:
            raise BadInput(MANIFEST, f"of a format that is not {FORMAT}")
        files = [ListedFile(str(f["name"]), int(f["bytes"]), str(f["sha256"])) for f in body["files"]]
        return Manifest(
            str(body["deployment"]), str(body["segment"]), str(body["made_at"]), str(body["made_by"]),
            str(body["key"]["public"]), files,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(MANIFEST, "not a manifest of evidence") from error


def fingerprint(public_key: str) -> str:
    """What people compare: the first 16 bytes of the key's SHA-256, in pairs of bytes."""
    digest = sha256(public_key.encode()).hexdigest()[:32]
    return ":".join(digest[at : at + 4] for at in range(0, 32, 4))
