"""Puts the evidence of several clips of one incident together: a folder each, signed as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID
from zoneinfo import ZoneInfo

from services.api.media.clip_facts import ClipFacts, EvidencePorts, clip_facts
from services.api.media.evidence import LargeFile, archive, check_unchanged, clip_file
from services.api.media.exporting import README_FILE, Bundle, Export, all_listed, bundle_of
from services.api.media.redaction import Wanted
from shared.domain.access import Caller
from shared.domain.segment import Clip
from shared.domain.timing import from_ms
from shared.wire.clip_names import clip_name
from shared.wire.evidence import Manifest
from shared.wire.incident_evidence import IncidentClip, IncidentManifest

README = """What is in this archive: clips of one incident, each in a folder of its own with
  the clip as it was recorded and a picture of it;
  viewer.html: unpack the archive, open this file in a browser, and it shows all that follows;
  segment.json: what is known of the clip, with its detections;
  passes.json: which vehicles passed, each with its reads, boxes and corrections; pictures/ has pictures of them;
  clocks.json: how the clocks of the servers stood when this archive was made;
  access-log.json: who looked at the clip until then.
manifest.json lists all files of all folders with their SHA-256, and manifest.sig signs it (Ed25519).
`platereel verify FILE --key FINGERPRINT` checks everything and ends with 0 when all is as it was signed, with 1 when
it is not. Get the fingerprint from the deployment (GET /v2/video/signing-key), never from this archive: without --key
it ends with 2, not judged, for anybody can sign an archive with a key of their own. Keep the archive as it is:
one that was unpacked and zipped again cannot be verified.
"""


@dataclass(frozen=True, slots=True)
class _Folder:
    """One clip's folder. files: without their folder."""

    name: str
    files: Bundle
    clip: IncidentClip


def export_incident(
    ports: EvidencePorts,
    who: Caller,
    clips: Sequence[tuple[UUID, Clip]],
    zone: ZoneInfo,
    title: str | None,
) -> Export:
    """Returns the archive of several clips, in order of time. What can go wrong is found before the
    first byte; raises Conflict where a clip is not what was recorded.
    """
    for _, clip in clips:
        check_unchanged(ports.store, clip)
    known = [(clip_facts(ports, segment_id), clip) for segment_id, clip in clips]
    known.sort(key=lambda each: (each[0].first_ms, each[0].segment.camera_id))
    for facts, _ in known:
        details = {"what": "incident", "clips": len(known)}
        ports.access.note(who.name, "export", facts.segment.id, details)
    made_at = from_ms(ports.clock.now_ms())
    folders = [
        _folder(
            ports=ports,
            who=who,
            facts=facts,
            clip=clip,
            made_at=made_at.isoformat(),
            zone=zone,
            number=number,
        )
        for number, (facts, clip) in enumerate(known, 1)
    ]
    small = {README_FILE: README.encode()}
    large = list[LargeFile]()
    for each in folders:
        small |= {f"{each.name}/{name}": data for name, data in each.files.small.items()}
        large += [_inside(each.name, file) for file in each.files.large]
    manifest = IncidentManifest(
        deployment=ports.deployment,
        title=title,
        clips=[each.clip for each in folders],
        made_at=made_at.isoformat(),
        made_by=who.name,
        public_key=ports.signer.public_key,
        files=all_listed(small, large),
    )
    name = f"incident_{known[0][0].segment.start_time:%Y-%m-%dT%H-%M-%SZ}"
    return Export(name, None, archive(ports.signer, manifest, made_at, small, large))


def _folder(
    ports: EvidencePorts,
    who: Caller,
    facts: ClipFacts,
    clip: Clip,
    made_at: str,
    zone: ZoneInfo,
    number: int,
) -> _Folder:
    """Returns what the archive of this clip alone would hold, but for its manifest."""
    segment = facts.segment
    name = clip_name(segment.camera_id, segment.start_time, segment.plates)
    film = clip_file(ports.store, clip, f"{name}.mp4")
    manifest = Manifest(
        deployment=ports.deployment,
        segment=str(segment.id),
        made_at=made_at,
        made_by=who.name,
        public_key=ports.signer.public_key,
        files=(),
        clip=film.listed,
    )
    wanted = Wanted(overlay=False, redact=False, plate=None, zone=zone, original=True)
    files = bundle_of(
        ports=ports,
        who=who,
        facts=facts,
        wanted=wanted,
        films=[film],
        manifest=manifest,
        beside={},
    )
    folder = f"{number:02d}_{name}"
    inside = _inside(folder, film).listed
    return _Folder(folder, files, IncidentClip(str(segment.id), folder, inside))


def _inside(folder: str, file: LargeFile) -> LargeFile:
    return replace(file, listed=replace(file.listed, name=f"{folder}/{file.listed.name}"))
