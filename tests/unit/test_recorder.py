"""VideoRecorder: one process, no servers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from platereel import VideoRecorder
from shared.domain.errors import BadInput, Conflict
from tests.support.numbers import boxes, numbers_of_clip
from tests.support.pictures import numbered_picture

START = 1_700_000_000.0


def play(recorder: VideoRecorder, first: int, last: int, fps: float = 15) -> list[bool]:
    return [recorder.add_frame(numbered_picture(n), START + n / fps) for n in range(first, last)]


def test_buffer_recording_and_post_roll(tmp_path: Path) -> None:
    """The original's walk: pre-event frames first, then until the post-roll is over."""
    recorder = VideoRecorder(buffer_seconds=2, post_event_seconds=3, fps=15)
    assert not any(play(recorder, 0, 100))
    path = tmp_path / "videos" / "a.mp4"
    start, buffered = recorder.start_recording(str(path))
    assert recorder.recording
    assert start == pytest.approx(START + 69 / 15, abs=0.001)
    assert buffered == 31
    done = play(recorder, 100, 150)
    assert done.index(True) == 44
    written, frames, duration = recorder.stop_recording()
    assert written == str(path)
    numbers, times = numbers_of_clip(path)
    assert numbers == list(range(69, 144))
    assert frames == len(numbers)
    assert duration == pytest.approx(5, abs=0.002)
    assert times[-1] == pytest.approx(74 / 15, abs=0.002)
    assert boxes(path)[:2] == ["ftyp", "moov"]
    assert not recorder.recording


def test_a_slow_camera_is_not_played_fast(tmp_path: Path) -> None:
    recorder = VideoRecorder(buffer_seconds=2, post_event_seconds=2, fps=15)
    play(recorder, 0, 30, fps=7)
    recorder.start_recording(tmp_path / "a.mp4")
    play(recorder, 30, 50, fps=7)
    _, frames, duration = recorder.stop_recording()
    assert frames == 28
    assert duration == pytest.approx(4, abs=1 / 7)


def test_another_detection_restarts_the_post_roll(tmp_path: Path) -> None:
    recorder = VideoRecorder(buffer_seconds=1, post_event_seconds=2, fps=10)
    play(recorder, 0, 20, fps=10)
    start, _ = recorder.start_recording(tmp_path / "a.mp4")
    play(recorder, 20, 35, fps=10)
    assert recorder.start_recording(tmp_path / "ignored.mp4") == (start, 0)
    done = play(recorder, 35, 60, fps=10)
    assert done.index(True) == 19
    recorder.stop_recording()
    assert numbers_of_clip(tmp_path / "a.mp4")[0] == list(range(9, 54))


def test_a_roll_over_repeats_nothing(tmp_path: Path) -> None:
    """The longest segment ends; the next goes on where it ended, without its pre-roll again."""
    recorder = VideoRecorder(
        buffer_seconds=2, post_event_seconds=2, fps=10, max_segment_minutes=0.1
    )
    play(recorder, 0, 30, fps=10)
    recorder.start_recording(tmp_path / "a.mp4")
    number = 30
    while not play(recorder, number, number + 1, fps=10)[0]:
        number += 1
        recorder.start_recording(tmp_path / "ignored.mp4")
    with pytest.raises(Conflict, match="complete"):
        recorder.start_recording(tmp_path / "b.mp4")
    recorder.stop_recording()
    recorder.start_recording(tmp_path / "b.mp4")
    play(recorder, number + 1, number + 10, fps=10)
    recorder.stop_recording()
    first, second = (numbers_of_clip(tmp_path / name)[0] for name in ("a.mp4", "b.mp4"))
    assert len(first) == 60
    together = [n for n in [*first, *second] if n is not None]
    assert together == list(range(together[0], together[-1] + 1))


def test_an_empty_buffer_records_from_the_next_frame(tmp_path: Path) -> None:
    recorder = VideoRecorder(buffer_seconds=1, post_event_seconds=1, fps=10)
    assert recorder.start_recording(tmp_path / "a.mp4")[1] == 0
    play(recorder, 0, 5, fps=10)
    assert recorder.stop_recording()[1] == 5
    assert recorder.stop_recording() == (None, 0, 0.0)


def test_bad_frames_and_times_are_named_and_harm_nothing(tmp_path: Path) -> None:
    recorder = VideoRecorder(buffer_seconds=1, post_event_seconds=1, fps=10)
    play(recorder, 0, 5, fps=10)
    recorder.start_recording(tmp_path / "a.mp4")
    for frame in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), "picture", b"picture"):
        with pytest.raises(BadInput, match="frame"):
            recorder.add_frame(frame, START + 10)  # type: ignore[arg-type]
    for moment in (float("nan"), -1, "now"):
        with pytest.raises(BadInput, match="timestamp"):
            recorder.add_frame(numbered_picture(1), moment)  # type: ignore[arg-type]
    recorder.add_frame(numbered_picture(9), START)
    assert recorder.frames_dropped == 1
    play(recorder, 5, 8, fps=10)
    assert recorder.stop_recording()[1] == 8
    with pytest.raises(BadInput, match="fps"):
        VideoRecorder(fps=0)


def test_a_clock_that_is_set_back_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    """Ten minutes back: two seconds are dropped and counted, then the recorder goes on by the new
    time.
    """
    recorder = VideoRecorder(buffer_seconds=1, post_event_seconds=5, fps=10)
    play(recorder, 0, 20, fps=10)
    recorder.start_recording(tmp_path / "a.mp4")
    play(recorder, 20, 30, fps=10)
    done = [recorder.add_frame(numbered_picture(n), START - 600 + n / 10) for n in range(30, 60)]
    assert done.index(True) == recorder.frames_dropped == 20
    assert recorder.stop_recording()[1] == 21
    recorder.start_recording(tmp_path / "b.mp4")
    assert recorder.stop_recording()[1] == 10
    assert numbers_of_clip(tmp_path / "b.mp4")[0] == list(range(50, 60))
