"""Processes of the simulation: `python -m benchmarks.stand_ins dispatch|writers …`.

`dispatch` is the product's own, with a stopwatch around each tick of its pacer. `writers` are a
Celery worker of the product whose two tasks read no picture and store no object: they begin a run,
look which frames the buffer still has, and commit, as a writer does around its encoding.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from celery import Celery

from shared.domain.gaps import PartFacts
from shared.domain.media import FrameMark
from shared.domain.parts import ClipForm
from shared.domain.ports import ClipFacts, FrameBuffer, PartRun
from shared.wire.keys import part_key
from shared.wire.tasks import Finalise, WritePart
from workers.process.overrun import Overruns
from workers.writer.ports import WriterPorts

FORM = ClipForm(320, 180, "stand-in")
SIZE = 1_000_000


def main() -> None:
    """Become one of them."""
    role, *rest = sys.argv[1:]
    from platereel.cli import main as platereel  # noqa: PLC0415 - after the stand-ins are in place

    if role == "dispatch":
        _watch_ticks(Path(rest[0]))
        sys.argv = ["platereel", "dispatch"]
    else:
        import workers.app  # noqa: PLC0415 - Celery

        workers.app.register_writer = register  # type: ignore[attr-defined,assignment]
        sys.argv = ["platereel", "worker", *rest]
    platereel()


def _watch_ticks(path: Path) -> None:
    """Write a line for each tick: when it began (epoch seconds), how long it took, and how much CPU
    its thread used (ms): that is the same on a busy machine.
    """
    from services.dispatch.pacer import Pacer  # noqa: PLC0415 - of one role

    tick = Pacer.tick
    out = path.open("a", encoding="ascii", buffering=1)

    def watched(pacer: Pacer) -> None:
        at, began, used = time.time(), time.perf_counter(), time.thread_time()
        try:
            tick(pacer)
        finally:
            took, used = time.perf_counter() - began, time.thread_time() - used
            out.write(f"{at:.3f} {took * 1000:.2f} {used * 1000:.2f}\n")

    Pacer.tick = watched  # type: ignore[method-assign,assignment]


def register(app: Celery, _: Overruns, ports: Callable[[], WriterPorts]) -> None:
    """Add the stand-ins under the names of the writer's tasks."""

    @app.task(name=WritePart.NAME, shared=False)
    def write_part(part_id: str, offer: int) -> None:
        _write(ports(), UUID(part_id), offer)

    @app.task(name=Finalise.NAME, shared=False)
    def finalise(segment_id: str, offer: int) -> None:
        _finalise(ports(), UUID(segment_id), offer)


def _write(ports: WriterPorts, part_id: UUID, offer: int) -> None:
    run = ports.rows.begin_part(part_id, offer)
    if run is None:
        return
    ports.rows.fix_form(run.segment_id, FORM)
    facts = _facts(run, ports.frames)
    key = part_key(run.segment_id, run.number, run.token, "h264")
    ports.rows.commit_part(part_id, run.token, None if facts.first is None else key, facts)


def _facts(run: PartRun, frames: FrameBuffer) -> PartFacts:
    first = frames.mark_after(run.camera_id, run.start_ms)
    last = frames.mark_before(run.camera_id, run.end_ms)
    if first is not None and first.captured_ms >= run.end_ms:
        first = last = None
    return PartFacts(
        index=(),
        before=frames.mark_before(run.camera_id, run.start_ms),
        first=first,
        last=_in(run, last),
        gaps=(),
        size_bytes=0 if first is None else SIZE,
        parameters_sha256="0" * 64,
        after=frames.mark_after(run.camera_id, run.end_ms),
    )


def _in(run: PartRun, mark: FrameMark | None) -> FrameMark | None:
    return None if mark is None or mark.captured_ms < run.start_ms else mark


def _finalise(ports: WriterPorts, segment_id: UUID, offer: int) -> None:
    run = ports.rows.begin_finalise(segment_id, offer)
    if run is None:
        return
    facts = ClipFacts(
        first_frame_ms=run.start_ms,
        duration_ms=run.deadline_ms - run.start_ms,
        size_bytes=SIZE * len(run.parts),
        sha256="0" * 64,
        frame_count=len(run.parts),
        frames_lost=sum(part.object_key is None for part in run.parts),
        gaps=(),
        pre_roll_requested_ms=run.policy.buffer_ms,
        pre_roll_delivered_ms=run.policy.buffer_ms,
        has_thumbnail=False,
        truncated_reason=None,
    )
    ports.rows.commit_ready(segment_id, run.token, facts)


if __name__ == "__main__":
    main()
