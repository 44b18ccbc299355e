"""Cameras that are copied: nothing is encoded again, and a clip still starts at its exact frame."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import av
import pytest

from shared.adapters.redis.packets import RedisPackets
from shared.adapters.redis.servers import OneServer
from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import Codec
from shared.domain.lifecycle import SegmentStatus
from shared.domain.media import Detection, Frame
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import BufferLimits
from shared.domain.timing import to_ms
from shared.wire.keys import Keys
from tests.support.h264 import FPS, as_frames, coded
from tests.support.numbers import boxes, numbers_of_clip
from tests.support.pictures import numbered_jpeg
from tests.support.recordings import offer_clip, offer_parts
from tests.support.world import LIMITS, World
from workers.writer.finalise import finalise
from workers.writer.write_part import write_part

POLICY = RecordingPolicy(
    codec=Codec.COPY,
    buffer_seconds=2,
    post_event_seconds=4,
    part_seconds=2,
    fps=FPS,
    capture_fps=FPS,
)


def film(world: World, frames: list[Frame]) -> None:
    answers = world.packets.append(frames, {"cam": LIMITS})
    assert all(answer.stored for answer in answers)


def record(world: World, at_ms: int) -> UUID:
    """Everything from a detection to the clip."""
    (accepted,) = world.detections.accept([Detection("d", "cam", at_ms, 0.9)], None, POLICY)
    (segment_id,) = accepted.segment_ids
    world.pacing.advance("cam", at_ms + POLICY.post_event_ms + 1000, silent=False)
    assert {write_part(*offer, world.writer) for offer in offer_parts(world)} == {"done"}
    assert finalise(*offer_clip(world), world.writer) == "ready"
    return segment_id


def clip(
    world: World, segment_id: UUID, folder: Path
) -> tuple[Path, list[int | None], list[float]]:
    row = world.segments.get(segment_id)
    path = folder / "clip.mp4"
    path.write_bytes(world.store.get(row.file_path))
    numbers, times = numbers_of_clip(path)
    assert row.frame_count == len(numbers) == AvVideo().count_frames(path)
    return path, numbers, times


@pytest.mark.parametrize(("gop", "bframes"), [(15, 0), (40, 0), (1, 0), (15, 2)])
@pytest.mark.parametrize("offset", [0, 7, 21])
def test_a_window_anywhere_in_a_gop(
    world: World, tmp_path: Path, gop: int, bframes: int, offset: int
) -> None:
    """The clip has exactly the frames of its window, at their times, whichever frame of a GOP it
    starts with.
    """
    film(world, as_frames(coded(range(200), gop, bframes), world.base_ms))
    at_ms = world.base_ms + round((60 + offset) * 1000 / FPS)
    path, numbers, times = clip(world, record(world, at_ms), tmp_path)
    delay = 2 if bframes else 0  # a picture is shown so many frames after it was decoded
    assert numbers[0] == 30 + offset - delay
    assert numbers == list(range(30 + offset - delay, 30 + offset - delay + len(numbers)))
    assert abs(len(numbers) - 90) <= delay
    assert times[0] == pytest.approx(0, abs=0.001)
    assert all(abs(b - a - 1 / FPS) < 0.002 for a, b in pairwise(times))
    assert boxes(path)[:2] == ["ftyp", "moov"]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_the_packets_are_the_cameras_own(world: World, tmp_path: Path) -> None:
    """Bytes of the camera's pictures are in the clip as they were."""
    packets = coded(range(150), 15)
    film(world, as_frames(packets, world.base_ms))
    path, numbers, _ = clip(world, record(world, world.base_ms + 4000), tmp_path)
    assert numbers == list(range(30, 120))
    data = path.read_bytes()
    slices = [packet.data.split(b"\x00\x00\x01")[-1] for packet in packets[30:120]]
    assert all(piece in data for piece in slices)
    row = world.database.fetch_one("SELECT encoder, codec, thumbnail_path FROM video_segments")
    assert row is not None
    assert (row["encoder"], row["codec"]) == ("copy:h264", "copy")
    picture = world.store.get(row["thumbnail_path"])
    assert picture[:2] == b"\xff\xd8"


def test_h265(world: World, tmp_path: Path) -> None:
    film(world, as_frames(coded(range(150), 15, name="libx265"), world.base_ms, codec="hevc"))
    path, numbers, _ = clip(world, record(world, world.base_ms + 4000), tmp_path)
    assert numbers == list(range(30, 120))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_what_no_keyframe_leads_to_is_told(world: World, tmp_path: Path) -> None:
    """Three packets are lost on the way: up to the next keyframe nothing can be shown, and the row
    says how much.
    """
    frames = as_frames(coded(range(150), 15), world.base_ms)
    film(world, frames[:65] + frames[68:])
    segment_id = record(world, world.base_ms + 4000)
    _, numbers, times = clip(world, segment_id, tmp_path)
    assert numbers == list(range(30, 65)) + list(range(75, 120))
    row = world.segments.get(segment_id)
    assert row.frames_lost == 10
    assert times[35] - times[34] == pytest.approx(11 / FPS, abs=0.002)


def test_a_part_that_is_lost_costs_no_more_than_its_gop(world: World, tmp_path: Path) -> None:
    """The part after it goes on with its own first keyframe."""
    film(world, as_frames(coded(range(150), 20), world.base_ms))
    (accepted,) = world.detections.accept(
        [Detection("d", "cam", world.base_ms + 4000, 0.9)], None, POLICY
    )
    (segment_id,) = accepted.segment_ids
    world.pacing.advance("cam", world.base_ms + 9000, silent=False)
    for offer in offer_parts(world):
        write_part(*offer, world.writer)
    row = world.database.fetch_one("SELECT object_key FROM segment_parts WHERE number = 1")
    assert row is not None
    world.store.delete([row["object_key"]])
    assert finalise(*offer_clip(world), world.writer) == "ready"
    _, numbers, _ = clip(world, segment_id, tmp_path)
    assert numbers == list(range(30, 60)) + list(range(100, 120))
    told = world.segments.get(segment_id)
    assert told.truncated_reason == "part_lost"
    assert (told.frames_lost or 0) >= 30


def test_a_camera_that_changes_its_settings_is_encoded_then(world: World, tmp_path: Path) -> None:
    """Other parameter sets in the middle: packets that cannot be in one track are made one by
    encoding.
    """
    first = as_frames(coded(range(75), 15), world.base_ms)
    second = as_frames(
        coded(range(75, 150), 15, size=(640, 360)), world.base_ms + 5000, run="again", sets="two"
    )
    film(world, first + second)
    path, numbers, _ = clip(world, record(world, world.base_ms + 4000), tmp_path)
    assert numbers == list(range(30, 120))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.width == 320


def test_the_buffer_never_begins_in_the_middle_of_a_gop(world: World) -> None:
    """Trimmed at the keyframe before the oldest need, for this owner and for one that has not seen
    the keyframes.
    """
    limits = {"cam": BufferLimits(keep_ms=2000, cap_ms=20_000, max_bytes=10**8)}
    frames = as_frames(coded(range(200), 30), world.base_ms)
    for at in range(0, 150, 10):
        world.packets.append(frames[at : at + 10], limits)
    kept = list(world.packets.read("cam", 0, 10**14))
    first = kept[0]
    assert first.packet is not None
    newest = frames[149].captured_ms
    assert world.packets.keyframe_before("cam", newest - 2000) is not None
    assert first.captured_ms <= newest - 2000
    another = RedisPackets(OneServer(world.redis), Keys(world.settings.redis_prefix))
    another.append(frames[150:160], limits)
    assert another.keyframe_before("cam", frames[159].captured_ms - 2000) is not None


def test_keyframes_are_found_by_time(world: World) -> None:
    frames = as_frames(coded(range(200), 90), world.base_ms)
    film(world, frames)
    assert world.packets.keyframe_before("cam", world.base_ms - 1) is None
    assert world.packets.keyframe_before("cam", world.base_ms) == world.base_ms
    assert world.packets.keyframe_before("cam", frames[89].captured_ms) == world.base_ms
    assert world.packets.keyframe_before("cam", frames[179].captured_ms) == frames[90].captured_ms
    assert world.packets.mark_before("cam", frames[5].captured_ms) == frames[4].mark
    assert (
        list(world.packets.read("cam", frames[3].captured_ms, frames[6].captured_ms)) == frames[3:6]
    )


ENCODED = replace(POLICY, codec=Codec.H264)


def jpegs(world: World, first_ms: int, numbers: range) -> list[Frame]:
    return [
        Frame(
            camera_id="cam",
            captured_ms=first_ms + round(at * 1000 / FPS),
            data=numbered_jpeg(number),
            counter=at,
            run_id="later",
        )
        for at, number in enumerate(numbers)
    ]


def finished(world: World, segment_id: UUID, folder: Path) -> list[int | None]:
    row = world.segments.get(segment_id)
    assert row.status == SegmentStatus.READY
    path = folder / f"{segment_id}.mp4"
    path.write_bytes(world.store.get(row.file_path))
    return numbers_of_clip(path)[0]


@pytest.mark.parametrize("absent_s", [1.0, 2.0])  # a part without frames is longer than one second
@pytest.mark.parametrize("known", ["before the detection", "while it is recorded"])
def test_a_camera_that_is_not_copied_any_more(
    world: World, tmp_path: Path, known: str, absent_s: float
) -> None:
    """The recording goes on in a second segment from the first picture on, and the second's absence
    is told.
    """
    film(world, as_frames(coded(range(75), 15), world.base_ms))  # until five seconds
    border_ms = world.base_ms + round(absent_s * 1000) + 5000
    first_number = 75 + round(absent_s * FPS)
    now = replace(ENCODED, since_ms=border_ms, codec_before=Codec.COPY)
    world.frames.append(
        jpegs(world, border_ms, range(first_number, first_number + 100)), {"cam": LIMITS}
    )
    at_ms = world.base_ms + 4000
    first = now if known == "before the detection" else POLICY
    world.detections.accept([Detection("d", "cam", at_ms, 0.9)], None, first)
    if first is POLICY:
        world.pacing.advance("cam", world.base_ms + 4500, silent=False)
        assert world.pacing.switch("cam", now)
    assert not world.pacing.switch("cam", now), "once is enough"
    world.pacing.advance("cam", at_ms + 6000, silent=False)
    assert {write_part(*offer, world.writer) for offer in offer_parts(world)} == {"done"}
    for offer in world.offers.offer_clips(10):
        assert finalise(offer.row_id, offer.number, world.writer) == "ready"
    rows = world.database.fetch(
        "SELECT s.id, s.codec, s.policy, s.continues, s.frames_lost FROM video_segments s "
        "JOIN segment_detections d ON d.segment_id = s.id ORDER BY s.start_time"
    )
    assert [row["codec"] for row in rows] == ["copy", "h264"]
    assert [row["policy"]["codec"] for row in rows] == ["copy", "h264"]
    assert rows[1]["continues"] == rows[0]["id"]
    assert finished(world, rows[0]["id"], tmp_path) == list(range(30, 75))
    assert finished(world, rows[1]["id"], tmp_path) == list(range(first_number, 120))
    assert rows[0]["frames_lost"] == first_number - 75
    assert rows[1]["frames_lost"] == 0


def test_a_camera_that_was_never_seen_before_has_one_recording(world: World) -> None:
    now = replace(POLICY, since_ms=world.base_ms + 3000)
    world.detections.accept([Detection("d", "cam", world.base_ms + 4000, 0.9)], None, now)
    assert not world.pacing.switch("cam", now)
    rows = world.database.fetch("SELECT codec, start_time FROM video_segments")
    assert [(row["codec"], to_ms(row["start_time"])) for row in rows] == [
        ("copy", world.base_ms + 2000)
    ]


def test_a_recording_that_began_after_the_change_is_made_of_what_there_is(world: World) -> None:
    """The detection came before anybody knew."""
    at_ms = world.base_ms + 4000
    world.detections.accept([Detection("d", "cam", at_ms, 0.9)], None, ENCODED)
    now = replace(POLICY, since_ms=world.base_ms + 1000, codec_before=Codec.H264)
    assert world.pacing.switch("cam", now)
    row = world.database.fetch_one("SELECT count(*) AS n, min(codec) AS codec FROM video_segments")
    assert row == {"n": 1, "codec": "copy"}
    assert not world.pacing.switch("cam", now)


def test_what_was_planned_before_anybody_knew_stays_planned(world: World) -> None:
    at_ms = world.base_ms + 4000
    world.detections.accept([Detection("d", "cam", at_ms, 0.9)], None, POLICY)
    world.pacing.advance("cam", world.base_ms + 5500, silent=False)
    now = replace(ENCODED, since_ms=world.base_ms + 3000, codec_before=Codec.COPY)
    assert world.pacing.switch("cam", now)
    rows = world.database.fetch("SELECT codec, start_time, deadline FROM video_segments ORDER BY 2")
    assert [row["codec"] for row in rows] == ["copy", "h264"]
    assert to_ms(rows[0]["deadline"]) == to_ms(rows[1]["start_time"]) == world.base_ms + 4000
