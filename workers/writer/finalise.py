"""A closed segment becomes a clip: fetch its parts, copy their packets into one MP4, store it,
commit it.

The join is byte-reproducible, so two finalisers that both believe they hold the lease write the
same bytes under the same key; only one of them commits. The parts stay for a while after READY:
several S3 servers answer before the bytes are on disk, and from its parts a clip can be made again.
The cleanup lets them go (workers/retention/parts.py).
"""

from __future__ import annotations

from concurrent.futures import wait
from dataclasses import replace
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from uuid import UUID

from shared.domain.errors import Conflict, NotFound, Permanent, Retryable
from shared.domain.gaps import Gap, GapCause, StoredPart, follows, gaps_of
from shared.domain.parts import Joined, Piece, pre_roll_delivered_ms
from shared.domain.ports import ClipFacts, FinaliseRun
from shared.domain.strips import Strip
from shared.runtime.logs import logger
from shared.runtime.metrics import (
    CLIP_READY_SECONDS,
    GAP_FRAMES,
    LEASES_LOST,
    SEGMENTS,
    UPLOAD_SECONDS,
    from_zero,
)
from shared.runtime.tracing import tell
from shared.runtime.workspace import workspace
from workers.writer.lease import Lease
from workers.writer.ports import WriterPorts
from workers.writer.strips import make_strip, packets_file, put_strip

# What bounds a run is a stretch without progress; a clip of an hour over a slow line may take an
# hour.
TIME_LIMIT_SECONDS, SOFT_LIMIT_SECONDS = 7_260, 7_200
STILL_SECONDS = 300.0  # a clip of gigabytes is written twice on a slow disk before it is whole
NO_FRAMES = "no_frames"
_EXPLAINED = {GapCause.CAMERA_STARTED, GapCause.CAMERA_SILENT}

_log = logger(__name__)
from_zero(SEGMENTS, ("stale", "ready", NO_FRAMES, "lost", "retry", "failed"))
from_zero(UPLOAD_SECONDS, ["clip"])
from_zero(GAP_FRAMES, GapCause)
from_zero(LEASES_LOST, ["clip"])


def finalise(segment_id: UUID, offer: int, ports: WriterPorts) -> str:
    """Make the clip if the offer is still current.

    Returns the outcome: stale, ready, no_frames, lost, retry or failed.
    """
    began = ports.clock.monotonic()
    run = ports.rows.begin_finalise(segment_id, offer)
    if run is None:
        return _ended("stale")
    log = _log.bind(
        segment_id=str(run.segment_id),
        camera_id=run.camera_id,
        token=run.token,
        detection_ids=list(run.detections),
    )
    try:
        with (
            Lease(
                lambda: ports.rows.renew_finalise(run.segment_id, run.token),
                ports.clock,
                since=began,
                still_s=STILL_SECONDS,
                stalled=ports.stalled,
            ) as lease,
            workspace(ports.work_dir, ports.clock) as folder,
        ):
            result = _make(run, ports, lease, folder)
    except Conflict as error:
        log.warning("finalise_lease_lost", error=error.message)
        return _ended("lost")
    except Retryable as error:
        log.warning("finalise_put_off", error=error.message)
        ports.rows.fail_finalise(run.segment_id, run.token, error.message, retryable=True)
        return _ended("retry")
    except OSError as error:
        # The work folder is full or was deleted: the run is not to blame.
        log.error("finalise_put_off", error=f"the work folder refuses: {error.strerror}")
        ports.rows.fail_finalise(
            run.segment_id, run.token, f"work folder: {error.strerror}", retryable=True
        )
        return _ended("retry")
    except MemoryError:
        log.error("finalise_out_of_memory", attempts=run.attempts)
        ports.rows.fail_finalise(run.segment_id, run.token, "out of memory", retryable=False)
        return _ended("failed")
    except Permanent as error:
        log.error("finalise_failed", error=error.message, attempts=run.attempts)
        ports.rows.fail_finalise(run.segment_id, run.token, error.message, retryable=False)
        return _ended("failed")
    log.info("segment_finished", result=result)
    tell(
        "join clip",
        run.detections,
        ports.clock.monotonic() - began,
        camera_id=run.camera_id,
        segment_id=str(run.segment_id),
        result=result,
    )
    return _ended(result)


def _ended(result: str) -> str:
    if result == "lost":
        LEASES_LOST.labels("clip").inc()
    SEGMENTS.labels(result).inc()
    return result


def _make(run: FinaliseRun, ports: WriterPorts, lease: Lease, folder: Path) -> str:
    parts, pieces = _fetch(run, ports, lease, folder)
    gaps = gaps_of(parts, run.start_ms, run.deadline_ms, run.policy.fps)
    if not pieces or run.form is None:
        return (
            NO_FRAMES
            if ports.rows.commit_failed(run.segment_id, run.token, NO_FRAMES, gaps)
            else "lost"
        )
    hashes = {
        part.facts.parameters_sha256
        for part in parts
        if part.facts is not None and part.facts.index
    }
    policy, form = run.policy, run.form
    if len(hashes) > 1:
        pieces, policy, form = ports.video.reencode(
            pieces=pieces, policy=policy, form=form, folder=folder, progress=lease.progress
        )
    path = folder / "clip.mp4"
    joined = ports.video.join(
        path=path,
        pieces=pieces,
        span_ms=(run.start_ms, run.deadline_ms),
        policy=policy,
        form=form,
        progress=lease.progress,
    )
    lease.progress()
    picture, size_bytes = _picture(run, parts), path.stat().st_size
    strip = make_strip(run, parts, folder, joined, ports.video)
    with path.open("rb") as clip:
        digest = file_digest(clip, "sha256").hexdigest()
    if not lease.holds():
        return "lost"
    if picture is not None:
        ports.store.put(run.thumbnail_path, picture, "image/jpeg", allowed=lease.holds)
    has_strip = strip is not None and put_strip(run, strip[1], ports.store, lease)
    with UPLOAD_SECONDS.labels("clip").time():
        ports.store.put(run.file_path, path, "video/mp4", allowed=lease.holds)
    facts = _facts(
        run=run,
        joined=joined,
        gaps=gaps,
        parts=parts,
        size_bytes=size_bytes,
        digest=digest,
        has_thumbnail=picture is not None,
        strip=(run.strip_path, strip[0]) if strip is not None and has_strip else None,
    )
    if not ports.rows.commit_ready(run.segment_id, run.token, facts):
        return "lost"
    _measure(run, gaps, ports)
    return "ready"


def _measure(run: FinaliseRun, gaps: tuple[Gap, ...], ports: WriterPorts) -> None:
    """A clip that a check had made again ended long ago, which says nothing of the writers."""
    if not run.mended:
        CLIP_READY_SECONDS.observe(max(0.0, (ports.clock.now_ms() - run.deadline_ms) / 1000))
    for gap in gaps:
        GAP_FRAMES.labels(str(gap.cause)).inc(gap.frames)


def _fetch(
    run: FinaliseRun, ports: WriterPorts, lease: Lease, folder: Path
) -> tuple[list[StoredPart], list[Piece]]:
    """Returns the parts, and files with the packets of those that have some.

    A part whose object is gone is a gap. A clip may be larger than a worker's memory, so its
    packets are copied from the store into files of the workspace.
    """
    parts: list[StoredPart] = []
    pieces: list[Piece] = []
    coming = [ports.threads.submit(_packets, part, ports, lease, folder) for part in run.parts]
    try:
        fetched = [each.result() for each in coming]
    finally:
        for each in coming:
            each.cancel()
        wait(coming)  # nobody writes into the folder any more once it goes
    for part, path in zip(run.parts, fetched, strict=True):
        found = part
        if path is not None and part.facts is not None:
            if path.exists() and path.stat().st_size == part.facts.size_bytes:
                pieces.append(Piece(part.start_ms, path, part.facts.index, _goes_on(parts, part)))
            else:
                found = replace(part, facts=None, error=GapCause.PART_LOST)
        parts.append(found)
    return parts, pieces


def _goes_on(before: list[StoredPart], part: StoredPart) -> bool:
    """Returns whether a part's frames follow those of the part before without a hole."""
    last = before[-1].facts.last if before and before[-1].facts is not None else None
    first = None if part.facts is None else part.facts.first
    return last is not None and first is not None and follows(last, first)


def _packets(part: StoredPart, ports: WriterPorts, lease: Lease, folder: Path) -> Path | None:
    """Returns the file of a part's packets, which is absent when its object is gone; None for a
    part without packets.
    """
    if part.object_key is None or part.facts is None:
        return None
    path = packets_file(folder, part)
    try:
        pieces = ports.store.stream(part.object_key)
        first = next(pieces, b"")
    except NotFound:
        return path
    with path.open("wb") as out:
        for data in chain([first], pieces):
            out.write(data)
            lease.progress()
    return path


def _picture(run: FinaliseRun, parts: list[StoredPart]) -> bytes | None:
    """Returns the thumbnail: of the trigger's part, else of any."""
    having = [part for part in parts if part.facts is not None and part.facts.thumbnail is not None]
    having.sort(key=lambda part: not part.start_ms <= run.trigger_ms < part.end_ms)
    return having[0].facts.thumbnail if having and having[0].facts is not None else None


def _facts(
    run: FinaliseRun,
    joined: Joined,
    gaps: tuple[Gap, ...],
    parts: list[StoredPart],
    size_bytes: int,
    digest: str,
    *,
    has_thumbnail: bool,
    strip: tuple[str, Strip] | None,
) -> ClipFacts:
    given_up = sorted(
        {part.error or GapCause.WRITER_FAILED for part in parts if part.facts is None}
    )
    causes = {
        gap.cause for gap in gaps if gap.frames and gap.cause is GapCause.BUFFER_EXPIRED
    } | set(given_up)
    if run.closed_early is not None:
        causes.add(run.closed_early)
    return ClipFacts(
        first_frame_ms=joined.first_frame_ms,
        duration_ms=joined.duration_ms,
        size_bytes=size_bytes,
        sha256=digest,
        frame_count=joined.frame_count,
        frames_lost=sum(gap.frames for gap in gaps if gap.cause not in _EXPLAINED),
        gaps=gaps,
        pre_roll_requested_ms=run.policy.buffer_ms,
        pre_roll_delivered_ms=pre_roll_delivered_ms(
            run.trigger_ms, run.policy.buffer_ms, joined.first_frame_ms, run.continues_from_ms
        ),
        has_thumbnail=has_thumbnail,
        truncated_reason=", ".join(sorted(causes)) or None,
        fragments=tuple(
            (part.start_ms - run.start_ms, part.end_ms - run.start_ms)
            for part in parts
            if part.facts is not None and part.facts.index
        ),
        strip=strip,
    )
