"""One part: read a stretch of the buffer, encode it, store it, commit it. Idempotent, and seconds long.

Order is the reliability: run and token first, then the object under the token's own key, then the row. Whoever lost the
right to the part in between commits nothing and removes only the object with its own token.

While storage refuses, the packets wait in the frames Redis, a twentieth of the size of the JPEGs, which need not be
held any longer; the part is offered again later and only uploaded then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from shared.domain.errors import BadInput, Permanent, Retryable
from shared.domain.media import Frame, FrameMark
from shared.domain.parts import EncodedPart, Gap, PartFacts, gap_between
from shared.domain.policy import PART_SUFFIX
from shared.domain.ports import Clock, FrameBuffer, ObjectStore, Parking, PartEncoding, PartRun, Video, Writing
from shared.runtime.logs import logger
from shared.runtime.metrics import PART_SECONDS, PARTS
from shared.wire.keys import part_key
from workers.writer.ahead import ahead
from workers.writer.lease import Lease

TIME_LIMIT_SECONDS, SOFT_LIMIT_SECONDS = 30, 25
PUT_SECONDS = 8.0
FETCHED_AHEAD = 8

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class WriterPorts:
    """What a writer needs of the world; `parking_bytes`: how much of a camera may wait while storage refuses."""

    frames: FrameBuffer
    parking: Parking
    parking_bytes: Callable[[str], int]
    store: ObjectStore
    rows: Writing
    video: Video
    clock: Clock


def write_part(part_id: UUID, offer: int, ports: WriterPorts) -> str:
    """Make the part if the offer still stands; answers how it ended: stale, done, lost, parked, retry or failed."""
    run = ports.rows.begin_part(part_id, offer)
    if run is None:
        return _ended("stale")
    began = ports.clock.monotonic()
    log = _log.bind(segment_id=str(run.segment_id), part=run.number, camera_id=run.camera_id, token=run.token)
    try:
        with Lease(lambda: ports.rows.renew_part(run.part_id, run.token), TIME_LIMIT_SECONDS) as lease:
            data, facts = _waiting(run, ports) or _encode(run, ports)
            if lease.lost:
                log.warning("part_lease_lost")
                return _ended("lost")
            result = _store(run, data, facts, ports)
    except MemoryError:
        log.error("part_out_of_memory", attempts=run.attempts)
        ports.rows.fail_part(run.part_id, run.token, "out of memory", retryable=False)
        return _ended("failed")
    except Retryable as error:
        log.warning("part_put_off", error=error.message)
        ports.rows.fail_part(run.part_id, run.token, error.message, retryable=True)
        return _ended("retry")
    except Permanent as error:
        log.error("part_failed", error=error.message, attempts=run.attempts)
        ports.rows.fail_part(run.part_id, run.token, error.message, retryable=False)
        return _ended("failed")
    PART_SECONDS.observe(ports.clock.monotonic() - began)
    log.debug("part_written", frames=len(facts.index), size=len(data), result=result)
    return _ended(result)


def _ended(result: str) -> str:
    PARTS.labels(result).inc()
    return result


def _waiting(run: PartRun, ports: WriterPorts) -> tuple[bytes, PartFacts] | None:
    """What an earlier run encoded and could not store; None when there is nothing, or it did not last."""
    if run.parked is None:
        return None
    data = ports.parking.parked(run.camera_id, str(run.part_id))
    return (data, run.parked) if data is not None and len(data) == run.parked.size_bytes else None


def _encode(run: PartRun, ports: WriterPorts) -> tuple[bytes, PartFacts]:
    reading = _Reading(run, ports)
    encoded = reading.encode()
    return encoded.data, reading.facts(encoded)


def _store(run: PartRun, data: bytes, facts: PartFacts, ports: WriterPorts) -> str:
    """Object, then row; `lost` when another run took over: then the object is nobody's, and goes."""
    key = None
    if data:
        key = part_key(run.segment_id, run.number, run.token, PART_SUFFIX[run.policy.codec])
        try:
            ports.store.put(key, data, "application/octet-stream", PUT_SECONDS)
        except Retryable as error:
            return _park(run, data, facts, error, ports)
    if ports.rows.commit_part(run.part_id, run.token, key, facts):
        if run.parked is not None:
            ports.parking.unpark(run.camera_id, [str(run.part_id)])
        return "done"
    if key is not None:
        ports.store.delete([key])
    return "lost"


def _park(run: PartRun, data: bytes, facts: PartFacts, refusal: Retryable, ports: WriterPorts) -> str:
    """Let the packets wait, then say so in the row; beyond the camera's budget the frames stay held instead."""
    part_id = str(run.part_id)
    if not ports.parking.park(run.camera_id, part_id, data, ports.parking_bytes(run.camera_id)):
        raise refusal
    parked = ports.rows.park_part(run.part_id, run.token, facts, refusal.message)
    _log.warning("part_parked", segment_id=str(run.segment_id), part=run.number, size=len(data), reason=refusal.message)
    return "parked" if parked else "lost"


class _Reading:
    """Reads one run's frames and accounts for those that are missing. Made anew for every run."""

    def __init__(self, run: PartRun, ports: WriterPorts) -> None:
        self._run = run
        self._ports = ports
        self._before: FrameMark | None = None
        self._first: FrameMark | None = None
        self._last: FrameMark | None = None
        self._after: FrameMark | None = None
        self._gaps: list[Gap] = []

    def encode(self) -> EncodedPart:
        """Encode the stretch; a frame that cannot be decoded is a gap of one, never the end of the part."""
        run = self._run
        self._before = self._ports.frames.mark_before(run.camera_id, run.start_ms)
        encoder: PartEncoding | None = None
        for frame in self._thinned():
            if encoder is None:
                encoder = self._encoder(frame)
            try:
                encoder.add(frame.jpeg, frame.captured_ms)
            except BadInput:
                self._gaps.append(Gap(frame.captured_ms, frame.captured_ms, 1, "bad_frame"))
        self._after = self._ports.frames.mark_after(run.camera_id, run.end_ms)
        return EncodedPart(b"", (), "") if encoder is None else encoder.finish()

    def _encoder(self, frame: Frame) -> PartEncoding:
        run, video = self._run, self._ports.video
        form = run.form or self._ports.rows.fix_form(run.segment_id, video.form(frame.jpeg, run.policy))
        pictured = run.number == 0 or run.start_ms <= run.trigger_ms < run.end_ms
        return video.encoder(run.policy, form, run.start_ms, run.trigger_ms if pictured else None)

    def _thinned(self) -> Iterator[Frame]:
        """Frames of the stretch at the clip's rate, marking what the counters say is lost.

        The choice depends on a frame's own time and its predecessor's alone, so parts written by different writers fit.
        """
        run = self._run
        slot_ms = 1000 / run.policy.fps
        thin = run.policy.capture_fps > run.policy.fps
        previous = self._before
        for frame in ahead(self._ports.frames.read(run.camera_id, run.start_ms, run.end_ms), FETCHED_AHEAD):
            mark = frame.mark
            if self._first is None:
                self._first = mark
            elif self._last is not None:
                lost = gap_between(self._last, mark, run.policy.capture_fps)
                if lost is not None:
                    self._gaps.append(lost)
            self._last = mark
            same_slot = previous is not None and mark.captured_ms // slot_ms == previous.captured_ms // slot_ms
            previous = mark
            if not (thin and same_slot):
                yield frame

    def facts(self, encoded: EncodedPart) -> PartFacts:
        """What the row keeps of the part; a picture only from the first part and the trigger's."""
        return PartFacts(
            encoded.index, self._before, self._first, self._last, tuple(self._gaps), len(encoded.data),
            encoded.parameters_sha256, encoded.thumbnail, self._after,
        )  # fmt: skip
