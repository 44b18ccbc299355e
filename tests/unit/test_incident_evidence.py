"""Archives of several clips: one signature over all folders, and no way around it."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from platereel import zip_layout
from platereel.verification import Verdict, verify
from services.api.media.evidence import LargeFile, archive
from shared.domain.errors import BadInput
from shared.wire.evidence import ListedFile, fingerprint
from shared.wire.incident_evidence import (
    MOST_CLIPS,
    IncidentClip,
    IncidentManifest,
    parse_any_manifest,
)
from tests.support.archives import OURS, Files, genuine, signed, zipped

FILES: Files = {
    "README.txt": b"read me",
    "01_gate/segment.json": b"{}",
    "02_yard/segment.json": b"{}\n",
    "01_gate/gate.mp4": bytes(range(256)) * 9,
    "02_yard/yard.mp4": bytes(range(255)) * 9,
}
PRINT = fingerprint(OURS.public_key)


def listed(name: str, files: Files = FILES) -> ListedFile:
    return ListedFile(name, len(files[name]), sha256(files[name]).hexdigest())


def incident(files: Files = FILES, **changes: Any) -> IncidentManifest:
    made = IncidentManifest(
        deployment="site",
        title="Two cars at the gate",
        clips=[
            IncidentClip("1", "01_gate", listed("01_gate/gate.mp4")),
            IncidentClip("2", "02_yard", listed("02_yard/yard.mp4")),
        ],
        made_at="2026-11-26T10:00:00+00:00",
        made_by="local",
        public_key=OURS.public_key,
        files=[listed(name, files) for name in files],
    )
    return replace(made, **changes)


def archived(manifest: bytes, files: Files = FILES) -> bytes:
    return zipped(*signed(manifest).items(), *files.items())


@pytest.fixture
def judged(tmp_path: Path) -> Callable[[bytes], Verdict]:
    def verified(data: bytes) -> Verdict:
        path = tmp_path / "incident.zip"
        path.write_bytes(data)
        return verify(path, PRINT)

    return verified


def test_all_of_it_is_verified(judged: Callable[[bytes], Verdict]) -> None:
    verdict = judged(archived(incident().encode()))
    assert (verdict.ok, verdict.problems) == (True, [])
    assert verdict.manifest == incident()
    assert judged(genuine()).ok is True
    named = {"platereel-incident/1": b"an archive of one clip", "gate-1.mp4": b"film"}
    assert judged(genuine(named)).ok is True


@pytest.mark.parametrize("name", FILES)
def test_nothing_may_be_changed_left_out_or_added(
    judged: Callable[[bytes], Verdict], name: str
) -> None:
    manifest = incident().encode()
    others = {each: data for each, data in FILES.items() if each != name}
    assert judged(archived(manifest, {**FILES, name: b"x" + FILES[name][1:]})).ok is False
    assert judged(archived(manifest, others)).ok is False
    assert judged(archived(manifest, {**FILES, "01_gate/more.json": b""})).ok is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips": []},
        {"clips": [IncidentClip("1", "01_gate", ListedFile("01_gate/gate.mp4", 1, "0" * 64))]},
        {"clips": [IncidentClip("1", "02_yard", listed("01_gate/gate.mp4"))]},
        {"clips": [IncidentClip("1", "01_gate", listed("01_gate/gate.mp4"))] * (MOST_CLIPS + 1)},
        {"title": "x" * 201},
        {"files": [listed("01_gate/gate.mp4")] * 2},
        {"files": [listed(name) for name in FILES if name != "02_yard/yard.mp4"]},
    ],
)
def test_a_manifest_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        parse_any_manifest(replace(incident(), **wrong).encode())


def test_it_is_read_as_it_is_written_alone() -> None:
    data = incident().encode()
    assert parse_any_manifest(data) == incident()
    for other in (
        data.replace(b"  ", b" "),
        data + b"\n",
        data.replace(b"incident/1", b"incident/2"),
        json.dumps({**json.loads(data), "more": 1}, indent=2, sort_keys=True).encode() + b"\n",
    ):
        with pytest.raises(BadInput):
            parse_any_manifest(other)


@pytest.mark.parametrize("limit", [900, 2_500, 3_500])
def test_headers_beyond_two_gigabytes(
    judged: Callable[[bytes], Verdict], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The second clip may begin there, and the first may end there; no byte of it may change."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    monkeypatch.setattr(zip_layout, "LARGE", limit)
    small = {name: data for name, data in FILES.items() if not name.endswith(".mp4")}
    films = [name for name in FILES if name.endswith(".mp4")]
    large = [LargeFile(listed(name), lambda name=name: iter([FILES[name]])) for name in films]  # type: ignore[misc]
    made = datetime(2026, 11, 26, 10, tzinfo=UTC)
    whole = b"".join(archive(OURS, incident(), made, small, large))
    (at,) = [found.header_offset for found in zipped_files(whole) if found.filename == films[1]]
    assert at > limit
    assert judged(whole).ok is True
    begins = whole.index(b"PK\x01\x02", at)
    for place in range(begins, len(whole), 3):
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        try:
            verdict = judged(changed)
        except BadInput:
            continue
        assert verdict.ok is False, place
    assert struct.pack("<Q", at) in whole[begins:]


def zipped_files(data: bytes) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return opened.infolist()
