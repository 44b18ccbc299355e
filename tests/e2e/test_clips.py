"""A plate is seen, and the clip is there: every MP4 is fetched from storage by the API and decoded
frame by frame.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest

from tests.support.deployment import CODECS, Deployment
from tests.support.numbers import boxes, numbers_of_clip
from tests.support.waiting import wait_until

BUFFER_MS, POST_MS, LONG_POST_MS = 3000, 4000, 8000


def check_clip(
    deployment: Deployment,
    segment: dict[str, Any],
    captured_ms: int,
    number: int,
    fps: float,
    spans: tuple[int, int],
) -> list[int]:
    """Decode a clip and hold it against the camera: every frame of [captured - before, captured +
    after), once.

    The camera numbers its frames and makes one each 1/fps; so a frame's number tells when it was
    taken.
    """
    assert segment["status"] == "ready", segment
    path = deployment.download(segment)
    numbers, times = numbers_of_clip(path)
    assert None not in numbers
    found = [n for n in numbers if n is not None]
    before_ms, after_ms = spans
    first = captured_ms - before_ms
    frame_ms = 1000 / fps
    expected_first = number - int(before_ms / frame_ms)
    expected_last = number + int((after_ms - 1e-6) / frame_ms)
    assert found == list(range(found[0], found[0] + len(found))), (
        "frames lost, doubled or out of order"
    )
    assert abs(found[0] - expected_first) <= 1
    assert abs(found[-1] - expected_last) <= 1
    assert len(found) == segment["frame_count"]
    assert segment["frames_lost"] == 0
    # The clip lasts as long as the world did, to one frame.
    world_s = (before_ms + after_ms) / 1000
    assert abs(segment["duration_seconds"] - world_s) <= 1.05 / fps
    assert times[0] == pytest.approx(0, abs=0.002)
    # A busy machine makes a frame late, but never by as much as the next one.
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert all(abs(step - 1 / fps) < 0.9 / fps for step in steps), steps
    assert statistics.median(steps) == pytest.approx(1 / fps, abs=0.005)
    assert segment["start_time"].startswith(
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(first / 1000))
    )
    assert boxes(path)[:2] == ["ftyp", "moov"]
    return found


def wait_for(deployment: Deployment, camera: str, ms: int) -> None:
    """Wait until a camera's newest frame is that new."""
    wait_until(f"{camera} at {ms}", lambda: deployment.newest(camera)[0] >= ms)


def check_format(path: Path, codec: str) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert stream.codec_context.pix_fmt in {"yuv420p", "yuvj420p"}


def test_plain_event(deployment: Deployment) -> None:
    """Pre-roll, post-roll and every frame between, none lost, none doubled; H.264 4:2:0 with moov
    first.
    """
    deployment.wait_buffered("plain", 4)
    captured_ms, number = deployment.newest("plain")
    deployment.detect("plain", captured_ms, "plain-1", plate="AB123CD", bbox=[10, 20, 30, 10])
    (segment,) = deployment.clips_of("plain-1")
    check_clip(
        deployment=deployment,
        segment=segment,
        captured_ms=captured_ms,
        number=number,
        fps=15,
        spans=(BUFFER_MS, POST_MS),
    )
    check_format(deployment.folder / f"{segment['id']}.mp4", "h264")
    detail = deployment.get(f"/v2/video/segments/{segment['id']}")
    (detection,) = detail["detections"]
    assert detection["plate"] == "AB123CD"
    assert detection["contains"]
    assert abs(detection["offset_ms"] - BUFFER_MS) <= 67
    assert segment["pre_roll_delivered_seconds"] == pytest.approx(3, abs=0.07)
    assert segment["file_path"].startswith(f"videos/{segment['start_time'][:10]}/{segment['id']}_")
    status, picture, headers = deployment.ask(
        "GET", f"/v2/video/segments/{segment['id']}/thumbnail"
    )
    assert status == 200
    assert headers["content-type"] == "image/jpeg"
    assert picture[:2] == b"\xff\xd8"
    # The parts go when the cleanup has seen the clip again.
    parts = "SELECT FROM segment_parts WHERE segment_id = %s"
    wait_until("the parts to go", lambda: not deployment.query(parts, segment["id"]))


def test_extended_three_times(deployment: Deployment) -> None:
    """Four detections, each before the last one's post-roll ends: one clip from the first to the
    last.
    """
    deployment.wait_buffered("extended", 4)
    first_ms, number = deployment.newest("extended")
    deployment.detect("extended", first_ms, "extended-0")
    last_ms = first_ms
    for count in range(1, 4):
        wait_for(deployment, "extended", last_ms + 2000)
        last_ms = deployment.newest("extended")[0]
        deployment.detect("extended", last_ms, f"extended-{count}")
    (segment,) = deployment.clips_of("extended-3")
    for count in range(3):
        assert [s["id"] for s in deployment.clips_of(f"extended-{count}")] == [segment["id"]]
    check_clip(
        deployment=deployment,
        segment=segment,
        captured_ms=first_ms,
        number=number,
        fps=15,
        spans=(BUFFER_MS, last_ms - first_ms + LONG_POST_MS),
    )


def test_roll_over(deployment: Deployment) -> None:
    """An event longer than max_segment_seconds: clips that meet exactly, no frame twice, none
    missing.
    """
    deployment.wait_buffered("rolled", 4)
    first_ms, number = deployment.newest("rolled")
    deployment.detect("rolled", first_ms, "rolled-0")
    last_ms = first_ms
    for count in range(1, 4):
        wait_for(deployment, "rolled", last_ms + 3000)
        last_ms = deployment.newest("rolled")[0]
        deployment.detect("rolled", last_ms, f"rolled-{count}")
    segments = sorted(
        {s["id"]: s for n in range(4) for s in deployment.clips_of(f"rolled-{n}")}.values(),
        key=lambda s: str(s["start_time"]),
    )
    assert len(segments) >= 2
    assert [each["continues"] for each in segments] == [
        None,
        *(each["id"] for each in segments[:-1]),
    ]
    numbers: list[int | None] = []
    for segment in segments:
        assert segment["status"] == "ready"
        assert segment["duration_seconds"] <= 12.07
        numbers += numbers_of_clip(deployment.download(segment))[0]
    first = numbers[0]
    assert first is not None
    assert numbers == list(range(first, first + len(numbers)))
    assert abs(first - (number - 45)) <= 1
    assert abs(len(numbers) - (BUFFER_MS + last_ms - first_ms + LONG_POST_MS) * 15 / 1000) <= 1


def test_two_cameras_at_once(deployment: Deployment) -> None:
    """Events on two cameras at the same moment do not touch each other."""

    def event(camera: str) -> None:
        deployment.wait_buffered(camera, 4)
        captured_ms, number = deployment.newest(camera)
        deployment.detect(camera, captured_ms, f"{camera}-event")
        (segment,) = deployment.clips_of(f"{camera}-event")
        assert segment["camera_id"] == camera
        check_clip(
            deployment=deployment,
            segment=segment,
            captured_ms=captured_ms,
            number=number,
            fps=15,
            spans=(BUFFER_MS, POST_MS),
        )

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(event, camera) for camera in ("both-1", "both-2")]:
            done.result()


def test_late_detection(deployment: Deployment) -> None:
    """A detection that arrives 8 s after its frame still gets its pre-roll: the buffer reaches back
    far enough.
    """
    deployment.wait_buffered("late", 12)
    newest_ms, number = deployment.newest("late")
    captured_ms = newest_ms - 8000
    deployment.detect("late", captured_ms, "late-1")
    (segment,) = deployment.clips_of("late-1")
    check_clip(
        deployment=deployment,
        segment=segment,
        captured_ms=captured_ms,
        number=number - 120,
        fps=15,
        spans=(BUFFER_MS, POST_MS),
    )


def test_duplicate_detection(deployment: Deployment) -> None:
    """The same detection through every door, several times: one row, one clip, one link."""
    deployment.wait_buffered("doubled", 4)
    captured_ms, number = deployment.newest("doubled")
    facts = {
        "detection_id": "doubled-1",
        "camera_id": "doubled",
        "confidence": 0.9,
        "captured_at": captured_ms / 1000,
    }
    body = json.dumps(facts)
    with deployment.broker() as broker:
        for _ in range(3):
            deployment.detect("doubled", captured_ms, "doubled-1")
            broker.xadd("detections", {"json": body})
            broker.publish("detections", body)
    (segment,) = deployment.clips_of("doubled-1")
    check_clip(
        deployment=deployment,
        segment=segment,
        captured_ms=captured_ms,
        number=number,
        fps=15,
        spans=(BUFFER_MS, POST_MS),
    )
    links = deployment.query("SELECT * FROM segment_detections WHERE detection_id = 'doubled-1'")
    assert len(links) == 1
    assert len(deployment.query("SELECT FROM video_segments WHERE camera_id = 'doubled'")) == 1
    status, _, _ = deployment.ask(
        "POST",
        "/v2/video/detections",
        {
            "detection_id": "doubled-1",
            "camera_id": "doubled",
            "confidence": 0.9,
            "captured_at": captured_ms / 1000 - 1,
        },
    )
    assert status == 409


def test_bare_doors(deployment: Deployment) -> None:
    """A bare XADD and a bare PUBLISH are enough; below the threshold nothing is recorded, and that
    is stored.
    """
    deployment.wait_buffered("doors", 4)
    captured_ms, _ = deployment.newest("doors")
    with deployment.broker() as broker:
        weak = {
            "camera_id": "doors",
            "confidence": "0.5",
            "captured_at": str(captured_ms / 1000),
            "detection_id": "weak",
        }
        broker.xadd("detections", dict(weak.items()))
        wait_until(
            "the weak detection",
            lambda: deployment.ask("GET", "/v2/video/by-detection/weak")[0] == 200,
        )
        answer = deployment.get("/v2/video/by-detection/weak")
        assert answer == {"items": [], "total": 0, "outcome": "below_threshold", "reason": None}
        broker.publish(
            "detections",
            f'{{"camera_id": "doors", "confidence": 0.51, "captured_at": {captured_ms / 1000}, "plate": "PS"}}',
        )
    row = wait_until(
        "the published one",
        lambda: deployment.query(
            "SELECT * FROM detections WHERE plate = 'PS' AND wanted IS NOT NULL"
        ),
    )[0]
    (segment,) = deployment.clips_of(row["detection_id"])
    assert segment["status"] == "ready"


def test_true_rate_of_nine(deployment: Deployment) -> None:
    """A camera that delivers 9 fps makes a clip of true length at 9 fps, whatever the setting
    says.
    """
    deployment.wait_buffered("slow", 4)
    captured_ms, number = deployment.newest("slow")
    deployment.detect("slow", captured_ms, "slow-1")
    (segment,) = deployment.clips_of("slow-1")
    check_clip(
        deployment=deployment,
        segment=segment,
        captured_ms=captured_ms,
        number=number,
        fps=9,
        spans=(BUFFER_MS, POST_MS),
    )


def test_other_codecs(deployment: Deployment) -> None:
    """Every codec, each on a camera of its own, at once, through the same parts and joins."""

    def event(codec: str, decoder: str) -> None:
        camera = f"in-{codec}"
        deployment.wait_buffered(camera, 4)
        captured_ms, number = deployment.newest(camera)
        deployment.detect(camera, captured_ms, f"{camera}-1")
        (segment,) = deployment.clips_of(f"{camera}-1")
        check_clip(
            deployment=deployment,
            segment=segment,
            captured_ms=captured_ms,
            number=number,
            fps=15,
            spans=(BUFFER_MS, POST_MS),
        )
        check_format(deployment.folder / f"{segment['id']}.mp4", decoder)

    wanted = {"hevc": "hevc", "av1": "libdav1d", "mp4v": "mpeg4", "mjpeg": "mjpeg"}
    assert set(wanted) == set(CODECS)
    with ThreadPoolExecutor(len(wanted)) as pool:
        for done in [pool.submit(event, codec, decoder) for codec, decoder in wanted.items()]:
            done.result()


def test_real_street_footage(deployment: Deployment) -> None:
    """Not drawn: a street with bicycles and a taxi, 25 fps thinned to 15."""
    deployment.wait_buffered("street", 4)
    with deployment.frames() as client:
        newest: Any = client.xrevrange("platereel:frames:{street}", count=1)
    deployment.detect("street", int(newest[0][0].split(b"-")[0]), "street-1")
    (segment,) = deployment.clips_of("street-1")
    assert segment["status"] == "ready"
    assert segment["resolution"] == "640x272"
    with av.open(str(deployment.download(segment))) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == segment["frame_count"]
    assert 7 * 15 - 2 <= len(frames) <= 7 * 15 + 2
    # thinned from 25 fps, its pictures are 40 or 80 ms apart: the first and the last may be late
    assert segment["duration_seconds"] == pytest.approx(7, abs=0.1)
    assert float(frames[50].to_ndarray(format="gray").std()) > 20


def test_ready_soon_after_its_end(deployment: Deployment) -> None:
    """The clip is there about a second after its window ends (idle machine); this only holds it
    under thirty.
    """
    rows = deployment.query(
        "SELECT extract(epoch FROM updated_at - deadline)::float8 AS late FROM video_segments WHERE status = 'ready'"
    )
    assert all(row["late"] < 30 for row in rows)
