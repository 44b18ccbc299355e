"""Finalising: how much memory it takes, and when it lets its lease go."""

from __future__ import annotations

import resource
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.storage.files import FileObjects
from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import Codec
from shared.domain.errors import Retryable
from shared.domain.gaps import PartFacts, StoredPart
from shared.domain.media import FrameMark
from shared.domain.parts import ClipForm, Packet
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import ClipFacts, FinaliseRun
from tests.support.pictures import numbered_jpeg
from tests.support.twins import SimulatedClock
from tests.support.waiting import WAIT_SECONDS
from workers.writer import lease as lease_module
from workers.writer.finalise import finalise
from workers.writer.lease import Lease
from workers.writer.ports import WriterPorts

CLOCK = SystemClock()
START_MS = 1_700_000_000_000
PART_MS, PARTS, PICTURES, PICTURE_BYTES = 5_000, 16, 50, 120_000
SHA = "0" * 64


@dataclass
class Rows:
    """One segment that waits to be finalised."""

    run: FinaliseRun
    ready: list[ClipFacts] = field(default_factory=list)
    put_off: list[tuple[str, bool]] = field(default_factory=list)

    def begin_finalise(self, _: UUID, __: int) -> FinaliseRun:
        return self.run

    def renew_finalise(self, _: UUID, __: str) -> bool:
        return True

    def commit_ready(self, _: UUID, __: str, facts: ClipFacts) -> bool:
        self.ready.append(facts)
        return True

    def fail_finalise(self, _: UUID, __: str, reason: str, *, retryable: bool) -> None:
        self.put_off.append((reason, retryable))


def stored_parts(store: FileObjects, count: int) -> tuple[StoredPart, ...]:
    jpeg = numbered_jpeg(1)
    picture = jpeg[:-2] + bytes(PICTURE_BYTES - len(jpeg)) + jpeg[-2:]
    parts = []
    for number in range(count):
        start_ms = START_MS + number * PART_MS
        key = f"parts/{number}"
        store.put(key, picture * PICTURES, "application/octet-stream")
        marks = [
            FrameMark(start_ms + n * 100, number * PICTURES + n, "run") for n in (0, PICTURES - 1)
        ]
        index = tuple(Packet(n * 100, PICTURE_BYTES, keyframe=True) for n in range(PICTURES))
        facts = PartFacts(
            index=index,
            before=None,
            first=marks[0],
            last=marks[1],
            gaps=(),
            size_bytes=PICTURE_BYTES * PICTURES,
            parameters_sha256=SHA,
        )
        parts.append(
            StoredPart(
                part_id=uuid4(),
                number=number,
                start_ms=start_ms,
                end_ms=start_ms + PART_MS,
                object_key=key,
                facts=facts,
            )
        )
    return tuple(parts)


def waiting(tmp_path: Path, parts: int = PARTS) -> tuple[Rows, WriterPorts]:
    """A segment whose parts all lie in a store of files."""
    store = FileObjects(tmp_path / "store")
    policy = RecordingPolicy(codec=Codec.MJPEG, fps=10, capture_fps=10)
    end_ms = START_MS + parts * PART_MS
    run = FinaliseRun(
        segment_id=uuid4(),
        camera_id="gate",
        file_path="videos/clip.mp4",
        thumbnail_path="thumbnails/clip.jpg",
        strip_path="strips/clip.jpg",
        start_ms=START_MS,
        deadline_ms=end_ms,
        trigger_ms=START_MS,
        token="token",
        attempts=1,
        policy=policy,
        form=ClipForm(320, 180, "mjpeg"),
        continues_from_ms=None,
        parts=stored_parts(store, parts),
    )
    rows, none = Rows(run), cast("Any", None)
    return rows, WriterPorts(
        frames=none,
        packets=none,
        parking=none,
        parking_bytes=lambda _: 0,
        store=store,
        rows=cast("Any", rows),
        pictures=none,
        video=AvVideo(),
        clock=CLOCK,
        threads=ThreadPoolExecutor(4),
        states=none,
        work_dir=tmp_path,
    )


def test_a_clip_is_made_without_being_held_in_memory(tmp_path: Path) -> None:
    """96 MB of Motion JPEG: the memory of one part, and little beside it."""
    rows, ports = waiting(tmp_path)
    tracemalloc.start()
    try:
        assert finalise(rows.run.segment_id, 1, ports) == "ready"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows.ready[0].size_bytes > PARTS * PICTURES * PICTURE_BYTES
    assert rows.ready[0].frame_count == PARTS * PICTURES
    assert peak < PICTURES * PICTURE_BYTES * 3 + 16_000_000
    assert not list(tmp_path.glob("platereel-clip-*"))


@pytest.mark.parametrize("room", [PICTURES * PICTURE_BYTES // 2, PICTURES * PICTURE_BYTES * 3 // 2])
def test_a_clip_that_its_work_folder_does_not_take_is_put_off(tmp_path: Path, room: int) -> None:
    """A file grows no further, as on a full disk, while a part is fetched or the clip is joined:
    room comes back.
    """
    rows, ports = waiting(tmp_path, parts=2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        assert finalise(rows.run.segment_id, 1, ports) == "retry"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    ((reason, retryable),) = rows.put_off
    assert retryable
    assert "work folder" in reason
    assert not list(tmp_path.glob("platereel-clip-*"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 1.2)


@pytest.mark.usefixtures("quick")
def test_work_that_stands_still_lets_its_lease_go() -> None:
    """Somebody else takes over, and whoever hangs is ended: a hung library must not hold a clip for
    two hours.
    """
    ended = threading.Event()
    with Lease(
        lambda: True, CLOCK, since=CLOCK.monotonic(), still_s=0.05, stalled=ended.set
    ) as lease:
        assert ended.wait(WAIT_SECONDS)
        assert lease.lost
        assert not lease.holds()


class Renewals:
    """Renews as often as it is asked, or cannot."""

    def __init__(self, *, away: bool = False) -> None:
        self._away, self._asked = away, threading.Semaphore(0)

    def __call__(self) -> bool:
        self._asked.release()
        if self._away:
            raise Retryable("the database does not answer")
        return True

    def wait(self) -> None:
        """Two more: the second of them was asked for when this was called, or later."""
        while self._asked.acquire(blocking=False):
            pass
        for _ in range(2):
            assert self._asked.acquire(timeout=WAIT_SECONDS)


@pytest.mark.usefixtures("quick")
def test_work_that_goes_on_keeps_it_however_long_it_takes() -> None:
    """By a clock that the work alone moves: longer than a lease lasts, or it may stand still."""
    clock, renewals = SimulatedClock(), Renewals()
    with Lease(renewals, clock, since=clock.monotonic(), still_s=1.0) as lease:
        for _ in range(40):
            clock.sleep(0.1)
            renewals.wait()
            assert lease.holds()


@pytest.mark.usefixtures("quick")
def test_a_lease_that_cannot_be_renewed_is_not_relied_on() -> None:
    """The database is away: what another run may begin meanwhile must not be written twice at
    once.
    """
    clock, renewals = SimulatedClock(), Renewals(away=True)
    with Lease(renewals, clock, since=clock.monotonic(), still_s=10) as lease:
        renewals.wait()
        assert lease.holds()
        clock.sleep(0.3)
        renewals.wait()
        assert not lease.holds()
        assert not lease.lost
