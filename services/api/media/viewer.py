"""The page of an evidence archive: it plays the clip beside it, and needs no network.

Everything is in the one file. Its policy lets nothing run but its own script, whose hash it names,
and lets nothing be loaded but films beside it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from services.api.media.clip_facts import ClipFacts, size_of
from services.api.media.redaction import OVERLAY, REDACTED, tracks
from shared.domain.codec import Codec
from shared.domain.rendition import Track
from shared.wire.evidence import ListedFile, Manifest, fingerprint
from shared.wire.evidence_facts import ACCESS_LOG, CLOCKS, PASSES

VIEWER = "viewer.html"
_TITLES = {OVERLAY: "With times and plates", REDACTED: "With blurred plates"}


def viewer_page(
    facts: ClipFacts,
    small: Mapping[str, bytes],
    films: Sequence[ListedFile],
    manifest: Manifest,
    time_zone: str,
) -> bytes:
    """Returns the page. small: the archive's other files, of which it shows the content; manifest:
    all of it but this page.
    """
    passes = json.loads(small[PASSES])
    segment = json.loads(small["segment.json"])
    told = json.loads(manifest.encode())
    width, height = size_of(facts.segment)
    reads = [read for each in passes["passes"] for read in each["reads_in_clip"]]
    reads += passes["reads_without_pass"]
    data = {
        "segment_id": segment["id"],
        "camera_id": segment["camera_id"],
        "first_frame_at": segment["first_frame_at"] or segment["start_time"],
        "duration_seconds": segment["duration_seconds"],
        "fps": segment["fps"],
        "width": width,
        "height": height,
        "gaps": segment["gaps"],
        "time_zone": time_zone,
        "films": [_film(each, segment["codec"]) for each in films],
        "passes": passes["passes"],
        "reads": sorted(reads, key=lambda read: (read["offset_ms"], read["detection_id"])),
        "tracks": [_track(each) for _, each in tracks(facts) if each.places],
        "clocks": json.loads(small[CLOCKS]),
        "log": json.loads(small[ACCESS_LOG]),
        "fingerprint": fingerprint(manifest.public_key),
        **{name: told[name] for name in ("deployment", "made_at", "made_by", "files", "clip")},
        "redaction": told["redaction"],
    }
    style, script = _asset("viewer.css"), _asset("viewer.js")
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    page = Template(_asset("viewer.html"))
    return page.substitute(policy=policy, style=style, script=script, data=embedded(data)).encode()


def embedded(value: Any) -> str:
    """Returns JSON that can stand in a script element: nothing in it ends or begins an element."""
    return (
        json.dumps(value, separators=(",", ":"))
        .replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
    )


def _film(file: ListedFile, codec: str) -> dict[str, Any]:
    own = file.name not in _TITLES
    return {
        "name": file.name,
        "title": _TITLES.get(file.name, "As recorded"),
        "codec": codec if own else Codec.H264,
        "drawn": file.name == OVERLAY,
    }


def _track(each: Track) -> dict[str, Any]:
    places = [
        {
            "at_ms": place.at_ms,
            "box": [place.box.x, place.box.y, place.box.width, place.box.height],
        }
        for place in each.places
    ]
    return {"label": each.label, "places": places}


@cache
def _asset(name: str) -> str:
    return files("services.api.media").joinpath(name).read_text("utf-8")


def _source(text: str) -> str:
    """Returns what lets this inline text alone be used."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
