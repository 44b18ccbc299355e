"""The manifest of an evidence archive: its files with their hashes, as text that can be signed.

An archive holds `manifest.json`, `manifest.sig` (base64 of an Ed25519 signature over the manifest's
bytes) and the files that the manifest lists. Manifests of the second format also say which clip the
archive is about, and how its copies were changed; the first is still read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.domain.errors import BadInput
from shared.wire.bounded_json import load_json

FIRST_FORMAT, FORMAT = "platereel-evidence/1", "platereel-evidence/2"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MOST_FILES, MOST_FILE_BYTES = 500, 1 << 50
MOST_PASSES = 20_000
STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
BriefText = Annotated[str, Field(max_length=4096)]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the archive: name, size in bytes, SHA-256 in hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """A copy of the clip with times, plates and boxes in its pictures."""

    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class NotBlurred:
    """A pass that is not blurred, or not in all of its reads, and why."""

    pass_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """How plates were blurred in the copies of the clip.

    plate: the one that was to stay visible, None: none. kept, blurred: passes. reads_blurred:
    detections without a pass that were blurred. reads_not_blurred: those that have no box.
    reads_not_kept: the camera was set to keep not all reads, so there may be plates of which
    nothing is known.
    """

    name: str
    plate: str | None
    kept: Sequence[str]
    blurred: Sequence[str]
    not_blurred: Sequence[NotBlurred]
    reads_blurred: int
    reads_not_blurred: int
    reads_not_kept: bool

    @property
    def complete(self) -> bool:
        """Whether every plate that was read, and was not to stay visible, is blurred."""
        return not (self.not_blurred or self.reads_not_blurred or self.reads_not_kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Who made the archive when, of which segment, with which key (base64), and its files.

    clip: the clip as it was recorded, also where it is not among the files; None in the first
    format.
    """

    deployment: str
    segment: str
    made_at: str
    made_by: str
    public_key: str
    files: Sequence[ListedFile]
    clip: ListedFile | None = None
    overlay: Overlay | None = None
    redaction: Redaction | None = None

    @property
    def has_clip(self) -> bool:
        """Whether the clip as it was recorded is among the files."""
        return self.clip is None or self.clip in self.files

    def encode(self) -> bytes:
        """The manifest's bytes; the same manifest gives the same."""
        body: dict[str, Any] = {
            "format": FIRST_FORMAT if self.clip is None else FORMAT, "deployment": self.deployment,
            "segment": self.segment, "made_at": self.made_at, "made_by": self.made_by,
            "key": {"algorithm": "Ed25519", "public": self.public_key}, "files": [listed(f) for f in self.files],
        }  # fmt: skip
        if self.clip is not None:
            body["clip"] = {**listed(self.clip), "included": self.has_clip}
            body["overlay"] = None if self.overlay is None else asdict(self.overlay)
            body["redaction"] = None if self.redaction is None else asdict(self.redaction)
        return json.dumps(body, indent=2, sort_keys=True).encode() + b"\n"


def listed(file: ListedFile) -> dict[str, Any]:
    """Returns a file as a manifest writes it."""
    return {"name": file.name, "bytes": file.size_bytes, "sha256": file.sha256}


class KeyEntry(BaseModel):
    """The key of a signature (base64), as a manifest names it."""

    model_config = STRICT
    algorithm: Literal["Ed25519"]
    public: BriefText


class FileEntry(BaseModel):
    """A file of an archive, as a manifest lists it."""

    model_config = STRICT
    name: BriefText
    bytes: Annotated[int, Field(ge=0, le=MOST_FILE_BYTES)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    def file(self) -> ListedFile:
        """Returns what it says of the file."""
        return ListedFile(self.name, self.bytes, self.sha256)


class _Clip(FileEntry):
    included: bool


class _Overlay(BaseModel):
    model_config = STRICT
    name: BriefText
    time_zone: BriefText


class _NotBlurred(BaseModel):
    model_config = STRICT
    pass_id: BriefText
    reason: BriefText


class _Redaction(BaseModel):
    model_config = STRICT
    name: BriefText
    plate: BriefText | None
    kept: Annotated[list[BriefText], Field(max_length=MOST_PASSES)]
    blurred: Annotated[list[BriefText], Field(max_length=MOST_PASSES)]
    not_blurred: Annotated[list[_NotBlurred], Field(max_length=MOST_PASSES)]
    reads_blurred: Annotated[int, Field(ge=0)]
    reads_not_blurred: Annotated[int, Field(ge=0)]
    reads_not_kept: bool


class _FirstManifest(BaseModel):
    model_config = STRICT
    format: Literal["platereel-evidence/1"]
    deployment: BriefText
    segment: BriefText
    made_at: BriefText
    made_by: BriefText
    key: KeyEntry
    files: Annotated[list[FileEntry], Field(max_length=MOST_FILES)]


class _Manifest(_FirstManifest):
    format: Literal["platereel-evidence/2"]  # type: ignore[assignment]
    clip: _Clip
    overlay: _Overlay | None
    redaction: _Redaction | None


_EITHER: TypeAdapter[_FirstManifest | _Manifest] = TypeAdapter(_FirstManifest | _Manifest)


def parse_manifest(data: bytes) -> Manifest:
    """Returns the manifest in these bytes; BadInput says what is wrong.

    It must be written exactly as `encode` does, so that no two readers of the same bytes see two
    manifests.
    """
    try:
        body = _EITHER.validate_python(load_json(data))
    except ValueError as error:
        raise BadInput(MANIFEST, "not a manifest of evidence") from error
    files = [each.file() for each in body.files]
    manifest = Manifest(
        deployment=body.deployment,
        segment=body.segment,
        made_at=body.made_at,
        made_by=body.made_by,
        public_key=body.key.public,
        files=files,
        **(_second(body) if isinstance(body, _Manifest) else {}),
    )
    names = names_of(files)
    if manifest.clip is not None and not manifest.has_clip and manifest.clip.name in names:
        raise BadInput(MANIFEST, "lists another file under the name of its clip")
    if manifest.encode() != data:
        raise BadInput(MANIFEST, "is not written as evidence is")
    return manifest


def names_of(files: Sequence[ListedFile]) -> set[str]:
    """Returns the names that a manifest lists; raises BadInput for one twice, or for its own."""
    names = {each.name for each in files}
    if len(names) != len(files) or {MANIFEST, SIGNATURE} & names:
        raise BadInput(MANIFEST, "lists a file twice, or itself")
    return names


def _second(body: _Manifest) -> dict[str, Any]:
    """Returns what only manifests of the second format say."""
    clip, overlay, redaction = body.clip, body.overlay, body.redaction
    return {
        "clip": clip.file(),
        "overlay": None if overlay is None else Overlay(overlay.name, overlay.time_zone),
        "redaction": None
        if redaction is None
        else Redaction(
            **redaction.model_dump(exclude={"not_blurred"}),
            not_blurred=[NotBlurred(each.pass_id, each.reason) for each in redaction.not_blurred],
        ),
    }


def fingerprint(public_key: str) -> str:
    """Returns what people compare: the first 16 bytes of the key's SHA-256, in pairs of bytes."""
    digest = sha256(public_key.encode()).hexdigest()[:32]
    return ":".join(digest[at : at + 4] for at in range(0, 32, 4))
