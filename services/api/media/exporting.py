"""Puts evidence together: what is in an archive, in which order, and what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from uuid import UUID

from services.api.media.clip_facts import (
    ClipFacts,
    EvidencePorts,
    access_file,
    clip_facts,
    clocks_file,
    passes_file,
    segment_file,
)
from services.api.media.copies import Copying, check_size, make_copies
from services.api.media.evidence import (
    README,
    LargeFile,
    archive,
    check_unchanged,
    clip_file,
    listed,
    unchanged,
)
from services.api.media.redaction import (
    Wanted,
    kept_passes,
    renditions,
    told_overlay,
    told_redaction,
)
from services.api.media.viewer import VIEWER, viewer_page
from shared.domain.access import Caller
from shared.domain.errors import NotFound
from shared.domain.plate_lists import IgnoredReads, ListKind
from shared.domain.ports import ObjectStore
from shared.domain.segment import Clip
from shared.domain.timing import from_ms
from shared.wire.clip_names import clip_name
from shared.wire.evidence import ListedFile, Manifest, Redaction
from shared.wire.evidence_facts import ACCESS_LOG, CLOCKS, PASSES

SEGMENT = "segment.json"
README_FILE = "README.txt"
MOST_PICTURED = 100


@dataclass(frozen=True, slots=True)
class Export:
    """An archive that is ready to be sent: its name without suffix, what was blurred, its bytes."""

    name: str
    redaction: Redaction | None
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one clip: those that are held in memory, and those that are not."""

    small: Mapping[str, bytes]
    large: Sequence[LargeFile]


def export(
    ports: EvidencePorts,
    copying: Copying,
    who: Caller,
    segment_id: UUID,
    clip: Clip,
    wanted: Wanted,
) -> Export:
    """Returns the archive of a clip. What can go wrong is found before the first byte.

    Raises Conflict where the clip is not what was recorded, cannot be redacted or is too long to be
    encoded again; Retryable while other copies are being made.
    """
    check_unchanged(ports.store, clip)
    facts = clip_facts(ports, segment_id)
    copies = renditions(facts, wanted)
    if copies:
        check_size(facts)
    with ExitStack() as until_sent:
        films = []
        if copies:
            with copying.turn():
                films = make_copies(ports, clip, copies, until_sent)
        ports.access.note(who.name, "export", segment_id, wanted.details)
        redaction = told_redaction(facts, wanted, drops_ignored=_drops_ignored(ports))
        if not wanted.original:
            facts = facts.only(kept_passes(facts, wanted))
        name = clip_name(facts.segment.camera_id, facts.segment.start_time, facts.segment.plates)
        whole = clip_file(ports.store, clip, f"{name}.mp4")
        if wanted.original:
            films.insert(0, whole)
        made_at = from_ms(ports.clock.now_ms())
        manifest = Manifest(
            deployment=ports.deployment,
            segment=str(segment_id),
            made_at=made_at.isoformat(),
            made_by=who.name,
            public_key=ports.signer.public_key,
            files=(),
            clip=whole.listed,
            overlay=told_overlay(wanted),
            redaction=redaction,
        )
        readme = {README_FILE: README.encode()}
        bundle = bundle_of(
            ports=ports,
            who=who,
            facts=facts,
            wanted=wanted,
            films=films,
            manifest=manifest,
            beside=readme,
        )
        manifest = replace(manifest, files=all_listed(bundle.small, bundle.large))
        pieces = archive(ports.signer, manifest, made_at, bundle.small, bundle.large)
        return Export(name, redaction, _closing(pieces, until_sent.pop_all()))


def bundle_of(
    ports: EvidencePorts,
    who: Caller,
    facts: ClipFacts,
    wanted: Wanted,
    films: Sequence[LargeFile],
    manifest: Manifest,
    beside: Mapping[str, bytes],
) -> Bundle:
    """Returns the files that tell of a clip, with its films, what is beside them, and a page that
    shows all of it. manifest: as the page tells it; its files are those of the bundle.
    """
    name = clip_name(facts.segment.camera_id, facts.segment.start_time, facts.segment.plates)
    small = {**beside, **_small_files(ports, who, facts, wanted)}
    thumbnail = _thumbnail(ports.store, facts)
    if thumbnail is not None:
        small[f"{name}.jpg"] = thumbnail
    large = [*_pictures(ports.store, facts), *films]
    told = replace(manifest, files=all_listed(small, large))
    shown = [each.listed for each in films]
    small[VIEWER] = viewer_page(facts, small, shown, told, wanted.zone.key)
    return Bundle(small, large)


def all_listed(small: Mapping[str, bytes], large: Sequence[LargeFile]) -> list[ListedFile]:
    """Returns the files as a manifest lists them."""
    return [
        *(listed(name, data) for name, data in sorted(small.items())),
        *(each.listed for each in large),
    ]


def _closing(pieces: Iterator[bytes], opened: ExitStack) -> Iterator[bytes]:
    with opened:
        yield from pieces


def _drops_ignored(ports: EvidencePorts) -> bool:
    return any(
        each.kind is ListKind.IGNORE and each.reads is IgnoredReads.DROPPED
        for each in ports.lists.all()
    )


def _small_files(
    ports: EvidencePorts, who: Caller, facts: ClipFacts, wanted: Wanted
) -> dict[str, bytes]:
    segment = facts.segment
    return {
        SEGMENT: segment_file(facts),
        PASSES: passes_file(facts, with_lists=who.keeps_lists and wanted.original),
        CLOCKS: clocks_file(ports, segment.camera_id, who),
        ACCESS_LOG: access_file(ports, segment.id, plates=wanted.original),
    }


def _thumbnail(store: ObjectStore, facts: ClipFacts) -> bytes | None:
    if facts.segment.thumbnail_path is None:
        return None
    try:
        return store.get(facts.segment.thumbnail_path)
    except NotFound:
        return None


def _pictures(store: ObjectStore, facts: ClipFacts) -> list[LargeFile]:
    """Returns the pictures of the passes that there are; of very many passes, of the first ones."""
    return [
        _picture(store, stored.key)
        for each in facts.shown_passes[:MOST_PICTURED]
        for stored in store.walk(f"pictures/{each.best_at:%Y-%m-%d}/{each.id}-")
    ]


def _picture(store: ObjectStore, key: str) -> LargeFile:
    digest, size = sha256(), 0
    for piece in store.stream(key):
        digest.update(piece)
        size += len(piece)
    file = ListedFile(f"pictures/{key.rpartition('/')[2]}", size, digest.hexdigest())
    return LargeFile(file, partial(unchanged, partial(store.stream, key), file))


def header_of(redaction: Redaction) -> str:
    """Returns how many passes and reads are not blurred, as a header says it."""
    count = len(redaction.not_blurred) + redaction.reads_not_blurred
    return f"{count}; reads-not-kept" if redaction.reads_not_kept else str(count)
