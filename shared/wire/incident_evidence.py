"""The manifest of an archive of several clips of one incident: one signature over all of them.

Each clip has a folder with what an archive of it alone would hold, but for a manifest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from shared.domain.errors import BadInput
from shared.wire.bounded_json import load_json
from shared.wire.evidence import (
    MANIFEST,
    STRICT,
    BriefText,
    FileEntry,
    KeyEntry,
    ListedFile,
    Manifest,
    listed,
    names_of,
    parse_manifest,
)

FORMAT = "platereel-incident/1"
MOST_CLIPS, MOST_FILES, MOST_TITLE = 16, 2_000, 200


@dataclass(frozen=True, slots=True)
class IncidentClip:
    """One of the clips: its segment, its folder in the archive, and the clip as it was recorded."""

    segment: str
    folder: str
    clip: ListedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentManifest:
    """Who made the archive when, of which clips, with which key (base64), and its files."""

    deployment: str
    title: str | None
    clips: Sequence[IncidentClip]
    made_at: str
    made_by: str
    public_key: str
    files: Sequence[ListedFile]

    def encode(self) -> bytes:
        """The manifest's bytes; the same manifest gives the same."""
        body: dict[str, Any] = {
            "format": FORMAT,
            "deployment": self.deployment,
            "title": self.title,
            "clips": [
                {"segment": each.segment, "folder": each.folder, "clip": listed(each.clip)}
                for each in self.clips
            ],
            "made_at": self.made_at,
            "made_by": self.made_by,
            "key": {"algorithm": "Ed25519", "public": self.public_key},
            "files": [listed(each) for each in self.files],
        }
        return json.dumps(body, indent=2, sort_keys=True).encode() + b"\n"


class _Clip(BaseModel):
    model_config = STRICT
    segment: BriefText
    folder: BriefText
    clip: FileEntry


class _Incident(BaseModel):
    model_config = STRICT
    format: Literal["platereel-incident/1"]
    deployment: BriefText
    title: Annotated[str, Field(max_length=MOST_TITLE)] | None
    clips: Annotated[list[_Clip], Field(min_length=1, max_length=MOST_CLIPS)]
    made_at: BriefText
    made_by: BriefText
    key: KeyEntry
    files: Annotated[list[FileEntry], Field(max_length=MOST_FILES)]


def parse_any_manifest(data: bytes) -> Manifest | IncidentManifest:
    """Returns the manifest of one clip or of an incident; BadInput says what is wrong."""
    return _parse(data) if f'"{FORMAT}"'.encode() in data else parse_manifest(data)


def _parse(data: bytes) -> Manifest | IncidentManifest:
    """It must be written exactly as `encode` does, as one of a single clip."""
    try:
        body = _Incident.model_validate(load_json(data))
    except ValueError:
        return parse_manifest(data)  # some text of it is only called like this format
    manifest = IncidentManifest(
        deployment=body.deployment,
        title=body.title,
        clips=[IncidentClip(each.segment, each.folder, each.clip.file()) for each in body.clips],
        made_at=body.made_at,
        made_by=body.made_by,
        public_key=body.key.public,
        files=[each.file() for each in body.files],
    )
    names_of(manifest.files)
    for each in manifest.clips:
        if each.clip not in manifest.files or not each.clip.name.startswith(f"{each.folder}/"):
            raise BadInput(MANIFEST, "names a clip that is not among the files of its folder")
    if manifest.encode() != data:
        raise BadInput(MANIFEST, "is not written as evidence is")
    return manifest
