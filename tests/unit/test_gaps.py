"""What a window lacks: at its head, between its frames, between its parts, at its tail."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from shared.domain.gaps import Gap, GapCause, PartFacts, StoredPart, gaps_of, never_delivered
from shared.domain.media import FrameMark

FPS = 10.0


def mark(ms: int, counter: int | None = None, run: str = "r") -> FrameMark:
    """A frame of a camera that makes one every 100 ms."""
    return FrameMark(ms, ms // 100 if counter is None else counter, run)


def part(
    start: int,
    end: int,
    *,
    before: FrameMark | None = None,
    first: FrameMark | None = None,
    last: FrameMark | None = None,
    after: FrameMark | None = None,
    gaps: tuple[Gap, ...] = (),
) -> StoredPart:
    """A part of [start, end) whose frames are all there unless said otherwise."""
    facts = PartFacts(
        index=(),
        before=before or mark(start - 100),
        first=first or mark(start),
        last=last or mark(end - 100),
        gaps=gaps,
        size_bytes=1,
        parameters_sha256="x",
        after=after or mark(end),
    )
    return StoredPart(
        part_id=uuid4(), number=0, start_ms=start, end_ms=end, object_key="key", facts=facts
    )


def lost(start: int, end: int, error: GapCause = GapCause.WRITER_FAILED) -> StoredPart:
    return StoredPart(
        part_id=uuid4(),
        number=0,
        start_ms=start,
        end_ms=end,
        object_key=None,
        facts=None,
        error=error,
    )


def test_a_whole_window_lacks_nothing() -> None:
    assert gaps_of([part(1000, 3000), part(3000, 5000)], 1000, 5000, FPS) == ()


def test_a_hole_in_the_counter_is_exact_wherever_it_lies() -> None:
    inside = Gap(1500, 1900, 3, GapCause.DROPPED)
    across = [part(1000, 3000, last=mark(2700), gaps=(inside,)), part(3000, 5000, first=mark(3200))]
    assert gaps_of(across, 1000, 5000, FPS) == (inside, Gap(2700, 3200, 4, GapCause.DROPPED))


@pytest.mark.parametrize(
    ("first", "gap"),
    [
        (mark(1400), Gap(900, 1400, 4, GapCause.DROPPED)),
        (mark(1400, 0, "new"), Gap(900, 1400, 4, GapCause.CAPTURE_INTERRUPTED, estimated=True)),
    ],
)
def test_frames_that_are_missing_at_the_head(first: FrameMark, gap: Gap) -> None:
    assert gaps_of([part(1000, 3000, first=first)], 1000, 3000, FPS) == (gap,)


def test_of_a_gap_that_began_before_the_window_only_its_own_share_counts() -> None:
    (gap,) = gaps_of(
        [part(1000, 3000, before=mark(200), first=mark(1500, 0, "new"))], 1000, 3000, FPS
    )
    assert gap == Gap(1000, 1500, 5, GapCause.CAPTURE_INTERRUPTED, estimated=True)


@pytest.mark.parametrize(
    ("after", "gap"),
    [
        # Capture was killed 1.6 s before the window's end: short enough to look like an ordinary
        # pause.
        (mark(4500, 0, "new"), Gap(2400, 3000, 5, GapCause.CAPTURE_INTERRUPTED, estimated=True)),
        (mark(4500), Gap(2400, 3000, 5, GapCause.DROPPED, estimated=True)),
        (mark(3000), Gap(2400, 3000, 5, GapCause.DROPPED)),
        (mark(3050, 0, "new"), Gap(2400, 3000, 5, GapCause.CAPTURE_INTERRUPTED, estimated=True)),
    ],
)
def test_frames_that_are_missing_at_the_tail(after: FrameMark, gap: Gap) -> None:
    assert gaps_of([part(1000, 3000, last=mark(2400), after=after)], 1000, 3000, FPS) == (gap,)


def test_a_camera_that_paused_lost_nothing_and_a_viewer_is_told_of_a_long_pause() -> None:
    resumed = FrameMark(3900, 11, "r")
    short = part(1000, 3000, last=FrameMark(2400, 10, "r"), after=resumed)
    assert gaps_of([short], 1000, 3000, FPS) == ()
    long = part(1000, 6000, last=FrameMark(2400, 10, "r"), after=FrameMark(6900, 11, "r"))
    assert gaps_of([long], 1000, 6000, FPS) == (Gap(2400, 6000, 0, GapCause.CAMERA_SILENT),)


def test_the_tail_without_a_frame_after_it_is_silence() -> None:
    facts = PartFacts(
        index=(),
        before=mark(900),
        first=mark(1000),
        last=mark(1900),
        gaps=(),
        size_bytes=1,
        parameters_sha256="x",
    )
    only = StoredPart(
        part_id=uuid4(), number=0, start_ms=1000, end_ms=6000, object_key="key", facts=facts
    )
    assert gaps_of([only], 1000, 6000, FPS) == (Gap(1900, 6000, 0, GapCause.CAMERA_SILENT),)


def test_parts_that_were_given_up_say_why() -> None:
    middle = [part(1000, 3000), lost(3000, 5000), part(5000, 7000)]
    assert gaps_of(middle, 1000, 7000, FPS) == (Gap(2900, 5000, 20, GapCause.WRITER_FAILED),)
    head = [lost(1000, 3000, GapCause.ABANDONED), part(3000, 5000)]
    assert gaps_of(head, 1000, 5000, FPS) == (
        Gap(1000, 3000, 20, GapCause.ABANDONED, estimated=True),
    )
    tail = [part(1000, 3000), lost(3000, 5000)]
    assert gaps_of(tail, 1000, 5000, FPS) == (
        Gap(2900, 5000, 20, GapCause.WRITER_FAILED, estimated=True),
    )


def test_a_window_in_which_capture_was_down_all_the_time() -> None:
    facts = PartFacts(
        index=(),
        before=mark(900),
        first=None,
        last=None,
        gaps=(),
        size_bytes=0,
        parameters_sha256="x",
        after=mark(5000, 0, "new"),
    )
    empty = StoredPart(
        part_id=uuid4(), number=0, start_ms=1000, end_ms=3000, object_key=None, facts=facts
    )
    assert gaps_of([empty], 1000, 3000, FPS) == (
        Gap(1000, 3000, 19, GapCause.CAPTURE_INTERRUPTED, estimated=True),
    )


def test_frames_that_left_the_buffer_before_they_were_read() -> None:
    trimmed = PartFacts(
        index=(),
        before=None,
        first=mark(2000),
        last=mark(2900),
        gaps=(),
        size_bytes=1,
        parameters_sha256="x",
        after=mark(3000),
    )
    (gap,) = gaps_of(
        [
            StoredPart(
                part_id=uuid4(),
                number=0,
                start_ms=1000,
                end_ms=3000,
                object_key="key",
                facts=trimmed,
            )
        ],
        1000,
        3000,
        FPS,
    )
    assert gap == Gap(1000, 2000, 10, GapCause.BUFFER_EXPIRED, estimated=True)


@pytest.mark.parametrize(
    ("after", "state", "silent"),
    [
        (None, {}, True),
        (None, {"frames": "0"}, True),
        (None, {"frames": "7"}, False),
        (None, {"frames": "0", "last_ms": "999"}, True),
        (None, {"frames": "7", "last_ms": "1000"}, False),
        (mark(4000, 0), {"last_ms": "4000"}, True),  # the camera began after the part
        # the run had begun before: its frames are gone
        (mark(4000, 30), {"last_ms": "9000"}, False),
    ],
)
def test_whether_a_camera_had_delivered(
    after: FrameMark | None, state: dict[str, str], silent: bool
) -> None:
    assert never_delivered(after, state, 1000) is silent


def test_a_camera_that_never_delivered_lost_nothing() -> None:
    facts = PartFacts(
        index=(),
        before=None,
        first=None,
        last=None,
        gaps=(),
        size_bytes=0,
        parameters_sha256="",
        silence="wrong password",
    )
    parts = [
        StoredPart(
            part_id=uuid4(),
            number=n,
            start_ms=n * 1000,
            end_ms=n * 1000 + 1000,
            object_key=None,
            facts=facts,
        )
        for n in range(1, 4)
    ]
    assert gaps_of(parts, 1000, 4000, FPS) == (
        Gap(1000, 4000, 0, GapCause.CAMERA_SILENT, detail="wrong password"),
    )
    late = part(4000, 6000, before=mark(3900), first=mark(4000, 0))
    began = StoredPart(
        part_id=late.part_id,
        number=4,
        start_ms=4000,
        end_ms=6000,
        object_key="key",
        facts=replace(late.facts, before=None) if late.facts else None,
    )
    assert gaps_of([*parts, began], 1000, 6000, FPS) == (
        Gap(1000, 4000, 0, GapCause.CAMERA_STARTED),
    )


def test_frames_that_were_all_gone_before_a_writer_came_were_lost() -> None:
    facts = PartFacts(
        index=(), before=None, first=None, last=None, gaps=(), size_bytes=0, parameters_sha256=""
    )
    (gap,) = gaps_of(
        [
            StoredPart(
                part_id=uuid4(), number=1, start_ms=1000, end_ms=3000, object_key=None, facts=facts
            )
        ],
        1000,
        3000,
        FPS,
    )
    assert (gap.cause, gap.frames) == (GapCause.BUFFER_EXPIRED, 19)


def test_a_camera_that_was_silent_before_a_window_lost_none_of_it() -> None:
    """A picture every six seconds: no hole in the counter, so nothing is counted by the clock."""
    slow = part(
        1000,
        9000,
        before=mark(0, 3),
        first=mark(6000, 4),
        last=mark(6000, 4),
        after=mark(12_000, 5),
    )
    head, tail = gaps_of([slow], 1000, 9000, FPS)
    assert head == Gap(1000, 6000, 0, GapCause.CAMERA_SILENT)
    assert tail == Gap(6000, 9000, 0, GapCause.CAMERA_SILENT)
