"""Clips as HLS: from their parts while these exist, afterwards from the MP4, under the same
addresses.
"""

from __future__ import annotations

from typing import Annotated, Any, BinaryIO, cast
from uuid import UUID

from fastapi import Path as PathParameter
from fastapi import Response

from services.api.availability import RETRY_SECONDS, unavailable
from services.api.bodies import data_router
from services.api.callers import Ports, Viewer, check_seen
from services.api.errors import problem
from services.api.media.object_file import RangedObject
from services.api.media.playlist import Stretch, playlist
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import NotFound
from shared.domain.gaps import StoredPart
from shared.domain.lifecycle import LIVE
from shared.domain.parts import Fragment, Piece
from shared.domain.ports import Streamed

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"

_PIECE: dict[int | str, dict[str, Any]] = {200: {"content": {"video/mp4": {}}}}

Place = Annotated[
    int,
    PathParameter(ge=0, le=10_000_000, description="ms after the start, as the playlist has it"),
]

router = data_router("media", "/segments/{segment_id}")


@router.get(
    "/stream.m3u8", response_class=Response, responses={200: {"content": {PLAYLIST_TYPE: {}}}}
)
def stream(ports: Ports, caller: Viewer, segment_id: UUID) -> Response:
    """Returns an HLS playlist (fragmented MP4).

    It grows during the recording; 409 while nothing is written yet.
    """
    streamed = ports.segments.streamed(segment_id)
    refusal = _refusal(ports, caller, streamed)
    if refusal is not None:
        return refusal
    stretches = _stretches(streamed)
    if not any(not stretch.missing for stretch in stretches):
        return problem(
            409, f"nothing of segment {segment_id} is written yet", {"Retry-After": RETRY_SECONDS}
        )
    ports.looks.viewed(caller, "hls", segment_id)
    text = playlist(
        stretches, streamed.start, streamed.policy.part_seconds, ended=streamed.complete
    )
    return Response(text, media_type=PLAYLIST_TYPE, headers={"Cache-Control": "no-store"})


@router.get("/hls/{from_ms}-{to_ms}.mp4", response_class=Response, responses=_PIECE)
def header(
    ports: Ports, caller: Viewer, segment_id: UUID, from_ms: Place, to_ms: Place
) -> Response:
    """Returns the header that fragments need, as the playlist names it."""
    return _served(ports, caller, segment_id, (from_ms, to_ms), media=False)


@router.get("/hls/{from_ms}-{to_ms}.m4s", response_class=Response, responses=_PIECE)
def fragment(
    ports: Ports, caller: Viewer, segment_id: UUID, from_ms: Place, to_ms: Place
) -> Response:
    """Returns one fragment, as the playlist names it."""
    return _served(ports, caller, segment_id, (from_ms, to_ms), media=True)


def _served(
    ports: ApiPorts, caller: Caller, segment_id: UUID, span: tuple[int, int], *, media: bool
) -> Response:
    streamed = ports.segments.streamed(segment_id, span[0])
    refusal = _refusal(ports, caller, streamed)
    if refusal is not None:
        return refusal
    found = _fragment(ports, streamed, span)
    ports.looks.viewed(caller, "hls", segment_id)
    body = found.media if media else found.header
    return Response(
        body, media_type="video/mp4", headers={"Cache-Control": "private, max-age=3600"}
    )


def _refusal(ports: ApiPorts, caller: Caller, streamed: Streamed) -> Response | None:
    check_seen(caller, streamed.segment_id, streamed.camera_id)
    if streamed.status not in LIVE:
        return unavailable(streamed.segment_id, streamed.status)
    if not ports.video().streamable(streamed.policy, streamed.form):
        return problem(
            409, f"players cannot take {streamed.policy.codec} in pieces; download the clip"
        )
    return None


def _stretches(streamed: Streamed) -> list[Stretch]:
    """Returns what can be played, in order; of parts, those before the first that is not
    finished.
    """
    if not streamed.parts:
        return [Stretch(first, last) for first, last in streamed.fragments]
    start = streamed.start_ms
    return [
        Stretch(part.start_ms - start, part.end_ms - start, _parameters(part), _missing(part))
        for part in streamed.parts
    ]


def _missing(part: StoredPart) -> bool:
    return part.facts is None or not part.facts.index


def _parameters(part: StoredPart) -> str:
    return "" if part.facts is None else part.facts.parameters_sha256


def _fragment(ports: ApiPorts, streamed: Streamed, span: tuple[int, int]) -> Fragment:
    """Returns the fragment of a part, or of the clip once its parts are deleted."""
    for part in streamed.parts:
        if (
            part.start_ms - streamed.start_ms,
            part.end_ms - streamed.start_ms,
        ) == span and not _missing(part):
            found = _of_part(ports, streamed, part)
            if found is not None:
                return found
    if span not in streamed.fragments or streamed.clip is None:
        raise NotFound("there is no such piece of the clip")
    clip = streamed.clip
    source = RangedObject(ports.store, clip.key, clip.size_bytes)
    shift_ms = clip.first_frame_ms - streamed.start_ms
    return ports.video().cut(
        cast("BinaryIO", source), (span[0] - shift_ms, span[1] - shift_ms), shift_ms
    )


def _of_part(ports: ApiPorts, streamed: Streamed, part: StoredPart) -> Fragment | None:
    if part.facts is None or part.object_key is None or streamed.form is None:
        return None
    try:
        data = ports.store.get(part.object_key)
    except NotFound:  # the clip is finished, and the cleanup has just taken its parts
        return None
    piece = Piece(part.start_ms, data, part.facts.index)
    return ports.video().fragment(
        piece=piece,
        end_ms=part.end_ms,
        base_ms=streamed.start_ms,
        policy=streamed.policy,
        form=streamed.form,
    )
