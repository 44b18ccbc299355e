"""What is encoded comes back, and what is no detection or picture is named."""

from __future__ import annotations

import itertools
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import BadInput
from shared.domain.media import Box, Detection, Frame
from shared.domain.names import CAMERA_ID, DETECTION_ID
from shared.domain.timing import CaptureClock
from shared.wire.bounded_json import MOST_NESTED, TooDeep, load_json, unstorable
from shared.wire.detections import encode_detection, parse_detection, payload_of
from shared.wire.doors.plate_recognizer import detections_of
from shared.wire.frames import check_jpeg, decode_frame, encode_frame, entry_id

NOW = 1_800_000_000_000
names = st.from_regex(CAMERA_ID, fullmatch=True)
detections = st.builds(
    Detection,
    detection_id=st.from_regex(DETECTION_ID, fullmatch=True),
    camera_id=names,
    captured_ms=st.integers(NOW - 10**9, NOW),
    confidence=st.floats(0, 1),
    plate=st.none() | st.from_regex(r"[A-Z0-9]{1,10}", fullmatch=True),
    bbox=st.none() | st.builds(Box, *[st.integers(0, 8000)] * 2, *[st.integers(2, 8000)] * 2),
    attributes=st.dictionaries(
        names,
        st.integers()
        | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=5),
        max_size=3,
    ),
)


@given(detections)
def test_detections_go_round(detection: Detection) -> None:
    assert parse_detection(encode_detection(detection), arrival_ms=NOW, entry_id="1-0") == detection


@given(names, st.integers(0, 2**43), st.binary(max_size=50), st.integers(0, 2**40), names)
def test_frames_go_round(camera: str, ms: int, jpeg: bytes, counter: int, run: str) -> None:
    frame = Frame(camera_id=camera, captured_ms=ms, data=jpeg, counter=counter, run_id=run)
    stored = {
        k.encode(): v if isinstance(v, bytes) else str(v).encode()
        for k, v in encode_frame(frame).items()
    }
    assert decode_frame(camera, entry_id(ms).encode(), stored) == frame


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["camera_id", "confidence", "captured_at", "bbox", "plate", "x"]), inner, max_size=5
    ),
    max_leaves=8,
).map(lambda v: json.dumps(v).encode()))  # fmt: skip
def test_anything_else_is_refused_by_name(payload: bytes) -> None:
    """Whatever arrives is a detection or a BadInput; never another exception."""
    try:
        parse_detection(payload, arrival_ms=NOW, entry_id="1-0")
    except BadInput as error:
        assert error.field


_NAMES = st.sampled_from(
    ["data", "results", "plate", "score", "props", "value", "box", "xmin", "xmax", "ymin", "ymax", "vehicle", "region"]
) | st.text(st.characters(), max_size=3)  # fmt: skip
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(_ANYTHING | st.dictionaries(_NAMES, _ANYTHING, max_size=6), max_size=4), _ANYTHING)
def test_whatever_a_result_of_plate_recognizer_is_its_neighbour_is_taken(
    strangers: list[object], when: object
) -> None:
    good = {"plate": "ab1", "score": 0.9}
    data = {"camera_id": "gate-1", "results": [*strangers, good], "filename": when}
    understood = detections_of({"data": data, "hook": when}, None)
    assert understood.detections[-1] == (len(strangers), understood.detections[-1][1])
    assert understood.detections[-1][1]["plate"] == "AB1"
    assert len(understood.detections) + len(understood.skipped) == len(strangers) + 1
    for _, body in understood.detections:
        parse_detection(json.dumps(body).encode(), arrival_ms=NOW, entry_id="1-0")


@given(st.dictionaries(_NAMES, _ANYTHING, max_size=6))
def test_whatever_a_message_of_plate_recognizer_is_it_is_understood_or_refused_by_name(
    body: dict[str, object],
) -> None:
    try:
        detections_of(body, "gate-1")
    except BadInput as error:
        assert error.field


@pytest.mark.parametrize("depth", [1, MOST_NESTED, MOST_NESTED + 1, 500, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('["]}", ', "]")])
def test_nesting_is_bounded_before_it_is_parsed(depth: int, opening: str, closing: str) -> None:
    text = opening * depth + "1" + closing * depth
    if depth > MOST_NESTED:
        with pytest.raises(TooDeep):
            load_json(text)
        return
    assert load_json(text.encode("utf-16")) == json.loads(text)
    assert unstorable(load_json(text)) is None


@given(_ANYTHING)
def test_brackets_in_texts_are_no_nesting(value: object) -> None:
    assert json.dumps(load_json(json.dumps(["[{" * 40, value]))) == json.dumps(["[{" * 40, value])


@given(_ANYTHING)
def test_what_is_storable_is_told_without_walking_into_it(value: object) -> None:
    if unstorable(value) is None:
        assert json.loads(json.dumps(value, allow_nan=False).encode()) == value
    assert unstorable([value, "\x00"]) is not None
    endless: list[object] = [value]
    endless.append(endless)
    assert unstorable(endless) is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"captured_at": "0001-01-01T00:00:00+01:00"}, "captured_at"),
        ({"captured_at": "9999-12-31T23:59:59-01:00"}, "captured_at"),
        ({"captured_at": float("nan")}, "captured_at"),
        ({"captured_at": 10**400}, "captured_at"),
        ({"attributes": {"a": {1: 2}}}, "attributes"),
        ({"attributes": {"a": {"b": {1, 2}}}}, "attributes"),
        ({"attributes": {"a": 10**5000}}, "attributes"),
        ({"bbox": [0.1, 0.2, 0.3, 0.4]}, "bbox"),
        ({"camera_id": None}, "camera_id"),
        ({"camera_id": "a{b}"}, "camera_id"),
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"captured_at": "yesterday"}, "captured_at"),
        ({"captured_at": "2026-01-01T00:00:00"}, "captured_at"),
        ({"captured_at": NOW / 1000 + 6}, "captured_at"),
        ({"captured_at": NOW}, "captured_at"),
        ({"captured_at": 12.0}, "captured_at"),
        ({"bbox": [1, 2, 3]}, "bbox.3"),
        ({"bbox": [1, 2, -3, 4]}, "bbox"),
        ({"detection_id": "a b"}, "detection_id"),
        ({"plate": "A\u0000B"}, "plate"),
        ({"attributes": {"a": "\u0000"}}, "attributes"),
        ({"speed": 3}, "speed"),
    ],
)
def test_each_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    body = {"camera_id": "gate-1", "confidence": 0.9} | change
    with pytest.raises(BadInput) as caught:
        parse_detection(body, arrival_ms=NOW, entry_id="1-0")
    assert caught.value.field == field


def test_the_same_message_gets_the_same_id() -> None:
    body = {"camera_id": "gate-1", "confidence": 0.9, "captured_at": NOW / 1000, "plate": "AB"}
    ids = {
        parse_detection(body, arrival_ms=NOW + n, entry_id=f"{n}-0").detection_id for n in range(3)
    }
    assert len(ids) == 1
    body.pop("captured_at")
    ids = {
        parse_detection(body, arrival_ms=NOW, entry_id=e).detection_id
        for e in ("1-0", "1-0", "2-0")
    }
    assert len(ids) == 2


def test_stream_fields_one_json_or_one_each() -> None:
    assert payload_of({b"whatever": b'{"a": 1}'}) == b'{"a": 1}'
    assert payload_of({b"camera_id": b"x", b"bbox": b"[1,2,3,4]"}) == {
        "camera_id": "x",
        "bbox": [1, 2, 3, 4],
    }
    with pytest.raises(BadInput):
        payload_of({b"camera_id": b"x", b"bbox": b"1,2"})


def jpeg(width: int, height: int) -> bytes:
    ok, data = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))
    assert ok
    return data.tobytes()


def test_a_jpeg_tells_its_size_without_decoding() -> None:
    info = check_jpeg(jpeg(64, 48))
    assert (info.width, info.height, info.components) == (64, 48, 3)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_a_damaged_jpeg_is_refused_or_still_has_a_sane_size(at: int, junk: bytes) -> None:
    whole = jpeg(64, 48)
    damaged = whole[: at % len(whole)] + junk + whole[at % len(whole) + len(junk) :]
    try:
        info = check_jpeg(damaged)
    except BadInput:
        return
    assert 2 <= info.width <= 8192
    assert 2 <= info.height <= 8192


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 300, -2, -1])
def test_a_truncated_jpeg_is_refused(cut: int) -> None:
    with pytest.raises(BadInput, match="frame"):
        check_jpeg(jpeg(64, 48)[:cut])


@given(
    st.lists(st.floats(0, 1000), min_size=1, max_size=60),
    st.none() | st.integers(900_000, 1_100_000),
)
def test_capture_time_never_runs_backwards(moments: list[float], last_ms: int | None) -> None:
    """For any jitter of the moments, and wherever the last owner stopped."""
    clock = CaptureClock(1_000_000, 0.0, last_ms)
    stamps = [clock.stamp(moment) for moment in moments]
    assert all(b > a for a, b in itertools.pairwise(stamps))
    assert last_ms is None or stamps[0] > last_ms
