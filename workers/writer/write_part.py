"""One part: read a stretch of the buffer, encode it, store it, commit it.

Idempotent, and seconds long. The order makes it reliable: run and token first, then the object
under the token's own key, then the row. A writer that lost the right to the part in between commits
nothing, and deletes only the object with its own token. While storage refuses, the packets wait in
the frames Redis, where they take a twentieth of the JPEGs' room, and the JPEGs need not be held any
longer. The part is offered again later, and then only uploaded.
"""

from __future__ import annotations

from uuid import UUID

from shared.domain.codec import CODECS
from shared.domain.errors import Conflict, Permanent, Retryable
from shared.domain.gaps import PartFacts
from shared.domain.ports import PartRun
from shared.runtime.logs import logger
from shared.runtime.metrics import (
    ENCODE_RATIO,
    LEASES_LOST,
    PART_SECONDS,
    PARTS,
    UPLOAD_SECONDS,
    from_zero,
)
from shared.runtime.tracing import tell
from shared.wire.keys import part_key
from workers.writer.lease import Lease
from workers.writer.pictures import store_pictures, take_pictures
from workers.writer.ports import WriterPorts
from workers.writer.reading import Reading

# on a busy host a part may take far longer than it lasts
TIME_LIMIT_SECONDS, SOFT_LIMIT_SECONDS = 65, 60
STILL_SECONDS = 20.0
PUT_PATIENCE_SECONDS = 8.0  # without progress

_log = logger(__name__)
from_zero(PARTS, ("stale", "done", "lost", "parked", "retry", "failed"))
from_zero(UPLOAD_SECONDS, ["part"])
from_zero(LEASES_LOST, ["part"])


def write_part(part_id: UUID, offer: int, ports: WriterPorts) -> str:
    """Make the part if the offer is current.

    Returns the outcome: stale, done, lost, parked, retry or failed.
    """
    began = ports.clock.monotonic()
    run = ports.rows.begin_part(part_id, offer)
    if run is None:
        return _ended("stale")
    log = _log.bind(
        segment_id=str(run.segment_id),
        part=run.number,
        camera_id=run.camera_id,
        token=run.token,
        detection_ids=list(run.detections),
    )
    try:
        with Lease(
            lambda: ports.rows.renew_part(run.part_id, run.token), ports.clock,
            since=began, still_s=STILL_SECONDS, stalled=ports.stalled,
        ) as lease:  # fmt: skip
            data, facts = _waiting(run, ports) or _encoded(run, ports, lease)
            taken = take_pictures(run, ports)
            if lease.lost:
                log.warning("part_lease_lost")
                return _ended("lost")
            result = _store(run=run, data=data, facts=facts, ports=ports, lease=lease)
            if result == "done":
                store_pictures(taken, ports)
    except MemoryError:
        log.error("part_out_of_memory", attempts=run.attempts)
        ports.rows.fail_part(run.part_id, run.token, "out of memory", retryable=False)
        return _ended("failed")
    except Conflict as error:
        log.warning("part_lease_lost", error=error.message)
        return _ended("lost")
    except Retryable as error:
        log.warning("part_put_off", error=error.message)
        ports.rows.fail_part(run.part_id, run.token, error.message, retryable=True)
        return _ended("retry")
    except Permanent as error:
        log.error("part_failed", error=error.message, attempts=run.attempts)
        ports.rows.fail_part(run.part_id, run.token, error.message, retryable=False)
        return _ended("failed")
    seconds = ports.clock.monotonic() - began
    PART_SECONDS.observe(seconds)
    tell(
        "write part",
        run.detections,
        seconds,
        camera_id=run.camera_id,
        segment_id=str(run.segment_id),
        part=run.number,
        result=result,
    )
    log.debug("part_written", frames=len(facts.index), size=len(data), result=result)
    return _ended(result)


def _encoded(run: PartRun, ports: WriterPorts, lease: Lease) -> tuple[bytes, PartFacts]:
    began = ports.clock.monotonic()
    found = Reading(run, ports, lease.progress).encode()
    ENCODE_RATIO.observe((ports.clock.monotonic() - began) / ((run.end_ms - run.start_ms) / 1000))
    return found


def _ended(result: str) -> str:
    if result == "lost":
        LEASES_LOST.labels("part").inc()
    PARTS.labels(result).inc()
    return result


def _waiting(run: PartRun, ports: WriterPorts) -> tuple[bytes, PartFacts] | None:
    """Returns what an earlier run encoded and could not store; None when there is nothing, or it
    has expired.
    """
    if run.parked is None:
        return None
    data = ports.parking.parked(run.camera_id, str(run.part_id))
    return (data, run.parked) if data is not None and len(data) == run.parked.size_bytes else None


def _store(run: PartRun, data: bytes, facts: PartFacts, ports: WriterPorts, lease: Lease) -> str:
    """Store the object, then the row.

    `lost` when another run took over: then nobody owns the object, and it is deleted.
    """
    key = None
    if data:
        key = part_key(run.segment_id, run.number, run.token, CODECS[run.policy.codec].suffix)
        try:
            with UPLOAD_SECONDS.labels("part").time():
                ports.store.put(
                    key,
                    data,
                    "application/octet-stream",
                    patience_s=PUT_PATIENCE_SECONDS,
                    allowed=lease.holds,
                )
        except Retryable as error:
            return _park(run=run, lease=lease, data=data, facts=facts, refusal=error, ports=ports)
    if ports.rows.commit_part(run.part_id, run.token, key, facts):
        if run.parked is not None:
            ports.parking.unpark(run.camera_id, [str(run.part_id)])
        return "done"
    if key is not None:
        ports.store.delete([key])
    return "lost"


def _park(
    *,
    run: PartRun,
    lease: Lease,
    data: bytes,
    facts: PartFacts,
    refusal: Retryable,
    ports: WriterPorts,
) -> str:
    """Park the packets, then record that in the row.

    Raises the refusal when the camera's budget for parked parts is used up: the frames then stay
    held.
    """
    part_id = str(run.part_id)
    if not lease.holds():  # the current run's packets are not ours to replace
        return "lost"
    if not ports.parking.park(run.camera_id, part_id, data, ports.parking_bytes(run.camera_id)):
        raise refusal
    parked = ports.rows.park_part(run.part_id, run.token, facts, refusal.message)
    _log.warning(
        "part_parked",
        segment_id=str(run.segment_id),
        part=run.number,
        size=len(data),
        reason=refusal.message,
    )
    return "parked" if parked else "lost"
