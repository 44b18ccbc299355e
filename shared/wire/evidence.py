"""The manifest of an evidence archive: its files with their hashes, as text that can be signed.

An archive holds `manifest.json`, `manifest.sig` (base64 of an Ed25519 signature over the manifest's
bytes) and the files that the manifest lists.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.errors import BadInput
from shared.wire.bounded_json import load_json

FORMAT = "platereel-evidence/1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MOST_FILES, MOST_FILE_BYTES = 50, 1 << 50
_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
_Text = Annotated[str, Field(max_length=4096)]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the archive: name, size in bytes, SHA-256 in hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
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


class _Key(BaseModel):
    model_config = _STRICT
    algorithm: Literal["Ed25519"]
    public: _Text


class _File(BaseModel):
    model_config = _STRICT
    name: _Text
    bytes: Annotated[int, Field(ge=0, le=MOST_FILE_BYTES)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Manifest(BaseModel):
    model_config = _STRICT
    format: Literal["platereel-evidence/1"]
    deployment: _Text
    segment: _Text
    made_at: _Text
    made_by: _Text
    key: _Key
    files: Annotated[list[_File], Field(max_length=MOST_FILES)]


def parse_manifest(data: bytes) -> Manifest:
    """Returns the manifest in these bytes; BadInput says what is wrong.

    It must be written exactly as `encode` does, so that no two readers of the same bytes see two
    manifests.
    """
    try:
        body = _Manifest.model_validate(load_json(data))
    except ValueError as error:
        raise BadInput(MANIFEST, "not a manifest of evidence") from error
    files = [ListedFile(each.name, each.bytes, each.sha256) for each in body.files]
    manifest = Manifest(
        deployment=body.deployment,
        segment=body.segment,
        made_at=body.made_at,
        made_by=body.made_by,
        public_key=body.key.public,
        files=files,
    )
    names = [each.name for each in files]
    if len(set(names)) != len(names) or {MANIFEST, SIGNATURE} & set(names):
        raise BadInput(MANIFEST, "lists a file twice, or itself")
    if manifest.encode() != data:
        raise BadInput(MANIFEST, "is not written as evidence is")
    return manifest


def fingerprint(public_key: str) -> str:
    """Returns what people compare: the first 16 bytes of the key's SHA-256, in pairs of bytes."""
    digest = sha256(public_key.encode()).hexdigest()[:32]
    return ":".join(digest[at : at + 4] for at in range(0, 32, 4))
