"""Decoded pictures become JPEG without RGB on the way, in the same colours as with it."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from shared.adapters.video.jpeg import Image, decode_bgr, encode_jpeg, jpeg_of_frame
from shared.adapters.video.pixels import jpeg_planes
from shared.domain.errors import BadInput
from shared.wire.frames import check_jpeg, pixel_aspect

LIMITED, FULL = 1, 2
BT709, BT601, SMPTE170M, BT2020 = 1, 5, 6, 9


def colours(width: int, height: int) -> Image:
    """A smooth picture of many colours, of uint8 and shape (height, width, 3)."""
    few = np.random.default_rng(7).integers(40, 216, (2, 3, 3), dtype=np.uint8)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def decoded(picture: Image, pix_fmt: str, colour_range: int, matrix: int) -> VideoFrame:
    """The picture as a decoder of such a stream gives it."""
    height, width = picture.shape[:2]
    frame = VideoReformatter().reformat(
        VideoFrame.from_ndarray(picture, format="bgr24"),
        width,
        height,
        pix_fmt,
        src_color_range=FULL,
        dst_color_range=colour_range,
        src_colorspace=BT601,
        dst_colorspace=matrix,
    )
    frame.color_range, frame.colorspace = colour_range, matrix
    return frame


def by_rgb(frame: VideoFrame, quality: int = 95) -> Image:
    """The picture of a JPEG that was made through RGB."""
    image = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    return decode_bgr(encode_jpeg(image, quality))


@pytest.mark.parametrize("size", [(322, 182), (161, 91)])
@pytest.mark.parametrize("matrix", [BT601, SMPTE170M, BT709, BT2020])
@pytest.mark.parametrize(
    ("pix_fmt", "colour_range"),
    [
        ("yuv420p", LIMITED),
        ("yuv420p", FULL),
        ("yuvj420p", FULL),
        ("yuv422p", LIMITED),
        ("yuvj422p", FULL),
        ("yuv444p", LIMITED),
        ("yuv420p10le", LIMITED),
        ("yuv420p10le", FULL),
        ("nv12", LIMITED),
        ("gray", FULL),
    ],
)
def test_the_colours_are_those_of_the_way_through_rgb(
    pix_fmt: str, colour_range: int, matrix: int, size: tuple[int, int]
) -> None:
    frame = decoded(colours(*size), pix_fmt, colour_range, matrix)
    jpeg = jpeg_of_frame(frame, 95)
    info = check_jpeg(jpeg)
    assert (info.width, info.height, info.components) == (*size, 3)
    apart = np.abs(decode_bgr(jpeg).astype(int) - by_rgb(frame))
    # swscale's way to RGB rounds down by one or two
    assert apart.mean() < 2
    assert np.percentile(apart, 99) <= 4


@pytest.mark.parametrize(
    ("pix_fmt", "colour_range", "matrix", "by_planes"),
    [
        ("yuv420p", LIMITED, BT601, True),
        ("yuv420p", FULL, SMPTE170M, True),
        ("yuvj420p", FULL, 2, True),
        ("yuv420p", LIMITED, BT709, False),
        ("yuv422p", LIMITED, BT601, False),
        ("yuv420p10le", LIMITED, BT601, False),
        ("nv12", LIMITED, BT601, False),
    ],
)
def test_only_what_is_known_goes_without_rgb(
    pix_fmt: str, colour_range: int, matrix: int, *, by_planes: bool
) -> None:
    frame = decoded(colours(64, 48), pix_fmt, colour_range, matrix)
    assert (jpeg_planes(frame) is not None) == by_planes


@pytest.mark.parametrize(("pix_fmt", "colour_range"), [("yuv420p", LIMITED), ("yuvj420p", FULL)])
@pytest.mark.parametrize("blue", [20, 128, 235])
@pytest.mark.parametrize("red", [20, 128, 235])
def test_a_colour_is_what_the_standard_says(
    pix_fmt: str, colour_range: int, blue: int, red: int
) -> None:
    """To one of 255; ITU-R BT.601 by hand."""
    patch = np.full((32, 32, 3), (blue, 120, red), np.uint8)
    frame = decoded(patch, pix_fmt, colour_range, BT601)
    y, cb, cr = (float(bytes(plane)[plane.line_size * 8 + 8]) for plane in frame.planes)
    if colour_range == LIMITED:
        y, cb, cr = (y - 16) * 255 / 219, (cb - 128) * 255 / 224, (cr - 128) * 255 / 224
    else:
        cb, cr = cb - 128, cr - 128
    exact = np.clip([y + 1.772 * cb, y - 0.344136 * cb - 0.714136 * cr, y + 1.402 * cr], 0, 255)
    assert np.abs(decode_bgr(jpeg_of_frame(frame, 100))[16, 16] - exact).max() <= 2


def test_a_decoder_pads_its_lines() -> None:
    """As H.264 decoders do, to whole blocks and beyond."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 322, 182, "yuv420p"
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
    encoder.options = {"qp": "4", "preset": "ultrafast"}
    given = decoded(colours(322, 182), "yuv420p", LIMITED, BT601)
    given.pts = 0
    packets = encoder.encode(given) + encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    (frame,) = [each for packet in [*packets, None] for each in decoder.decode(packet)]
    assert frame.planes[0].line_size > frame.width
    assert jpeg_planes(frame) is not None
    apart = np.abs(decode_bgr(jpeg_of_frame(frame, 95)).astype(int) - colours(322, 182))
    assert np.percentile(apart, 99) <= 12
    assert apart.mean() < 4


def test_a_picture_too_wide_for_a_jpeg_is_bad_input() -> None:
    with pytest.raises(BadInput, match="cannot be encoded as JPEG"):
        jpeg_of_frame(VideoFrame(66_000, 2, "yuvj420p"), 85)


def test_limited_range_is_stretched_exactly() -> None:
    """Every value, those outside the limits too."""
    frame = VideoFrame(16, 16, "yuv420p")
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    few = every[::2, ::2]
    for plane, samples in zip(frame.planes, (every, few, few), strict=True):
        view = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        view[:, : plane.width] = samples
    planes = jpeg_planes(frame)
    assert planes is not None
    luma, blue, red = planes
    assert np.array_equal(luma, np.clip(np.rint((every - 16.0) * 255 / 219), 0, 255))
    assert np.array_equal(blue, np.clip(np.rint((few - 128.0) * 255 / 224 + 128), 0, 255))
    assert np.array_equal(blue, red)


def test_the_picture_itself_is_left_as_it_is() -> None:
    """The decoder predicts the next picture from it."""
    frame = decoded(colours(64, 48), "yuv420p", LIMITED, BT601)
    before = [bytes(plane) for plane in frame.planes]
    jpeg_of_frame(frame, 85)
    assert [bytes(plane) for plane in frame.planes] == before


def test_quality_and_pixel_aspect_are_kept() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    frame = decoded(noise, "yuv420p", LIMITED, BT601)
    sizes = [len(jpeg_of_frame(frame, quality)) for quality in (30, 60, 85, 95)]
    assert sizes == sorted(set(sizes))
    plain = len(encode_jpeg(frame.to_ndarray(format="bgr24").astype(np.uint8), 85))
    assert sizes[2] == pytest.approx(plain, rel=0.05)
    assert pixel_aspect(jpeg_of_frame(frame, 85, (4, 3))) == (4, 3)
    assert pixel_aspect(jpeg_of_frame(frame, 85)) == (1, 1)
