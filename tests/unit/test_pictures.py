"""What counts as a picture, and what becomes of a camera whose pictures do not."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image
from prometheus_client import REGISTRY

from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.outbox import Outbox
from services.capture.reporting import Reporter
from services.capture.sources.picture import Picture
from shared.adapters.video.jpeg import encode_jpeg, jpeg_of_frame
from shared.client.wiring import jpeg_of
from shared.domain.errors import BadInput
from shared.domain.media import Frame
from shared.wire.frames import check_jpeg, jpegs_in, pixel_aspect, whole_jpeg
from tests.support.leases import Server
from tests.support.pictures import numbered_jpeg, numbered_picture
from tests.support.twins import SimulatedClock

JPEG = numbered_jpeg(7)


def saved(**options: object) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(cv2.cvtColor(numbered_picture(7), cv2.COLOR_BGR2RGB))
    picture.save(out, "JPEG", **options)
    return out.getvalue()


def with_thumbnail() -> bytes:
    """A JPEG with another one in its header."""
    body = b"Exif\0\0" + numbered_jpeg(1, 64, 48)
    return JPEG[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + JPEG[2:]


def multi_picture() -> bytes:
    """A multi-picture file: a second, like picture behind the first."""
    body = b"MPF\0" + bytes(20)
    first = JPEG[:2] + b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body + JPEG[2:]
    return first + numbered_jpeg(8)


@pytest.mark.parametrize(
    "padding",
    [
        b"\0",
        bytes(65),
        bytes(512),
        bytes(-len(JPEG) % 4096),
        b"\xff" * 100,
        b"\r\n",
        b" " * 80,
        b"\xa5" * 3000,
        bytes(range(256)) * 10,
        b"trailer \xff\xd9 and more",
        JPEG[:-2][-400:],
    ],
)
def test_bytes_after_a_picture_are_not_of_it(padding: bytes) -> None:
    assert (check_jpeg(JPEG + padding).width, check_jpeg(JPEG + padding).height) == (320, 180)
    assert whole_jpeg(JPEG + padding) == JPEG
    assert jpeg_of(JPEG + padding, 85) == JPEG  # through the doorway too


@pytest.mark.parametrize("lead", [b"\r\n", bytes(16), b"\0" * 600, b"--frame\r\n\r\n"])
def test_bytes_before_a_picture_are_not_of_it(lead: bytes) -> None:
    assert whole_jpeg(lead + JPEG) == JPEG
    assert check_jpeg(lead + JPEG).width == 320


@pytest.mark.parametrize(
    "jpeg",
    [
        saved(progressive=True),
        saved(quality=95, subsampling=0),
        saved(restart_marker_blocks=4),
        with_thumbnail(),
        saved(comment=b"\xff\xd8\xff \xff\xd9"),
    ],
    ids=["progressive", "444", "restarts", "thumbnail", "comment"],
)
def test_a_picture_is_cut_nowhere_but_at_its_end(jpeg: bytes) -> None:
    for data in (jpeg, jpeg + bytes(700), jpeg + b"\x5a" * 700, jpeg + JPEG[:900]):
        assert whole_jpeg(data) == jpeg
    for cut in (len(jpeg) // 2, len(jpeg) - 3):
        with pytest.raises(BadInput):
            check_jpeg(jpeg[:cut] + bytes(600))


def test_a_damaged_scan_is_kept_as_far_as_decoders_read_it() -> None:
    middle = len(JPEG) // 2 + 200
    damaged = JPEG[:middle] + b"\x55\xff\x55\x55" * 10 + JPEG[middle + 40 :]
    assert check_jpeg(damaged + b"\x11" * 99).width == 320
    assert whole_jpeg(damaged + b"\x11" * 99).endswith(b"\xff\xd9")


def test_of_several_pictures_all_come_and_of_a_multi_picture_file_the_first() -> None:
    assert jpegs_in(JPEG + bytes(9) + numbered_jpeg(8) + b"\r\n") == [JPEG, numbered_jpeg(8)]
    assert jpegs_in(JPEG + numbered_jpeg(8, 160, 90)) == [JPEG]  # a preview
    assert jpegs_in(JPEG + numbered_jpeg(8)[:300]) == [JPEG]
    (first,) = jpegs_in(multi_picture())
    assert cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR) is not None


def test_what_is_accepted_decodes() -> None:
    for jpeg in (JPEG + bytes(512), with_thumbnail() + b"\x5a" * 99, multi_picture()):
        codec = av.CodecContext.create("mjpeg", "r")
        assert codec.decode(av.Packet(whole_jpeg(jpeg)))


class Played:
    """A camera that sends given pictures, so many a second, `at_once` at a time."""

    def __init__(
        self, clock: SimulatedClock, pictures: Iterable[bytes], fps: float, at_once: int = 1
    ) -> None:
        self._clock, self._pictures, self._fps, self._at_once = clock, list(pictures), fps, at_once

    def pictures(self) -> Iterator[Picture]:
        for n, jpeg in enumerate(self._pictures):
            if n % self._at_once == 0:
                self._clock.sleep(self._at_once / self._fps)
            yield Picture(lambda data=jpeg: data)  # type: ignore[misc]


def captured(
    pictures: Iterable[bytes], *, fps: float = 10, limit: float = 15, at_once: int = 1
) -> tuple[Camera, list[Frame], dict[str, str]]:
    """The camera, what it put into its buffer, and its state as it is told."""
    clock, outbox, frames = SimulatedClock(), Outbox(), list[Frame]()
    outbox.put = frames.append  # type: ignore[method-assign, assignment]
    camera = Camera(
        camera_id="gate-1",
        source=Played(clock, pictures, fps, at_once),
        fps=limit,
        outbox=outbox,
        clock=clock,
        newest=lambda: None,
    )
    camera._read()
    server = Server(0, late=False)
    reporter = Reporter(
        server,
        clock,
        Ownership(
            leases=server,
            clock=clock,
            owner="me",
            cameras=["gate-1"],
            server_ms=server.time,
            recorded=bool,
        ),
        outbox,
    )
    reporter.report({"gate-1": camera}, {})
    return camera, frames, {"state": server.states["gate-1"], "error": server.errors["gate-1"]}


def ok() -> float | None:
    return REGISTRY.get_sample_value("platereel_camera_ok", {"camera_id": "gate-1"})


def test_a_camera_that_pads_its_pictures_is_recorded_and_well() -> None:
    camera, frames, told = captured(numbered_jpeg(n) + bytes(512) for n in range(50))
    assert [frame.data for frame in frames] == [numbered_jpeg(n) for n in range(50)]
    assert (told["state"], told["error"], camera.report.bad_frames, ok()) == ("connected", "", 0, 1)


@pytest.mark.parametrize("every", [1, 2, 10])
def test_a_camera_whose_pictures_are_refused_is_not_well(every: int) -> None:
    camera, frames, told = captured(
        numbered_jpeg(n)[:500] if n % every == 0 else numbered_jpeg(n) for n in range(60)
    )
    assert camera.report.bad_frames == 60 / every
    assert len(frames) == 60 - 60 / every
    assert told["state"] == "impaired"
    assert (
        f"{50 // every} of the last 50 pictures were refused: frame: a truncated JPEG"
        in told["error"]
    )
    assert ok() == 0


def test_one_damaged_picture_is_no_news_and_leaves_no_trace_of_itself() -> None:
    _, frames, told = captured(b"damage" if n == 30 else numbered_jpeg(n) for n in range(60))
    assert (told["state"], told["error"], ok()) == ("connected", "", 1)
    assert [frame.counter for frame in frames] == [n for n in range(60) if n != 30]


def test_a_bad_picture_takes_no_place_of_a_good_one() -> None:
    """Twenty parts a second, every other of no use, at ten pictures a second: ten are left, and all
    are kept.
    """
    _, frames, _ = captured(
        (b"junk" if n % 2 else numbered_jpeg(n) for n in range(200)), fps=20, limit=10
    )
    assert [frame.data for frame in frames] == [numbered_jpeg(n) for n in range(0, 200, 2)]


@pytest.mark.parametrize(("at_once", "limit"), [(10, 15), (10, 30), (20, 15), (15, 10)])
def test_pictures_that_come_at_once_are_all_kept_and_spread(at_once: int, limit: float) -> None:
    _, frames, _ = captured(
        (numbered_jpeg(n) for n in range(300)), fps=10, limit=limit, at_once=at_once
    )
    assert [frame.data for frame in frames] == [numbered_jpeg(n) for n in range(300)]
    steps = [b.captured_ms - a.captured_ms for a, b in pairwise(frames[200:])]
    assert steps == [pytest.approx(100, abs=40)] * len(steps)


def test_what_comes_at_once_after_a_long_pause_leaves_a_hole_that_is_told() -> None:
    _, frames, _ = captured((numbered_jpeg(n) for n in range(300)), fps=10, limit=15, at_once=60)
    counters = [frame.counter for frame in frames]
    assert len(frames) < 300
    assert counters[-1] - counters[0] + 1 - len(counters) == pytest.approx(
        300 - len(frames), abs=60
    )


def test_pictures_of_a_network_that_catches_up_are_all_kept() -> None:
    """Ten a second by their own time, thirty a second by arrival, after a pause that made labels
    start anew.
    """
    clock, outbox, frames = SimulatedClock(), Outbox(), list[Frame]()
    outbox.put = frames.append  # type: ignore[method-assign, assignment]

    class Late:
        def pictures(self) -> Iterator[Picture]:
            for n in range(300):
                clock.sleep(0.1 if n < 100 else 8.0 if n == 100 else 0.1 if n < 140 else 1 / 30)
                yield Picture(lambda n=n: numbered_jpeg(n), n / 10)  # type: ignore[misc]

    Camera(
        camera_id="gate-1", source=Late(), fps=15, outbox=outbox, clock=clock, newest=lambda: None
    )._read()
    assert [frame.data for frame in frames] == [numbered_jpeg(n) for n in range(300)]


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((8, 70_000), "cannot be encoded"),
        ((8, 9_000), "outside 2x2 to 8192x8192"),
        ((1, 1), "outside 2x2 to 8192x8192"),
    ],
)
def test_a_picture_that_no_writer_takes_is_refused_at_the_doorway(
    size: tuple[int, int], told: str
) -> None:
    """Otherwise every frame would be stored, and lost when its part is written."""
    with pytest.raises(BadInput, match=told):
        jpeg_of(np.zeros((*size, 3), np.uint8), 85)


def test_a_picture_that_cannot_be_encoded_is_a_bad_frame_and_no_lost_camera() -> None:
    """Of a frame that is wrong a camera's thread goes on; anything else it takes for the end of the
    connection.
    """
    frame = VideoFrame.from_ndarray(np.zeros((2, 66_000, 3), np.uint8), format="bgr24")
    with pytest.raises(BadInput, match="cannot be encoded as JPEG"):
        jpeg_of_frame(frame, 85)


def test_pictures_are_encoded_the_same_whoever_does_it() -> None:
    picture = numbered_picture(7)
    frame = VideoFrame.from_ndarray(picture, format="bgr24")
    assert jpeg_of_frame(frame, 85) == jpeg_of(picture, 85) == encode_jpeg(picture, 85)
    assert pixel_aspect(jpeg_of_frame(frame, 85, (4, 3))) == (4, 3)
