"""Lists of passes and detections asked for with what no client of ours sends."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.support.passes import accept
from tests.support.world import World

LATER = "2026-01-01T00:00:00+00:00"
AN_ID = "0" * 8 + "-0000-4000-8000-" + "0" * 12


def cursor(*place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode()


def cursors() -> Iterator[str]:
    """Places that no list has been at. The last ones are longer than a client may send."""
    for distance in (10**80, -(10**80), float("inf"), float("nan"), "1", None, [0], 10**280):
        yield cursor(LATER, [AN_ID], distance)
    for names in (["cam1", "x\x00"], ["cam1", "\ud800"], {"cam1": 1, "x": 2}, [AN_ID, AN_ID], []):
        yield cursor(LATER, names, 0)
    moments: list[object] = [
        "2026-01-01",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        {},
        1,
    ]
    for moment in moments:
        yield cursor(moment, ["cam1", "x"], 0)
        yield cursor(moment, [AN_ID], 0)
    yield base64.urlsafe_b64encode(f'["{LATER}",["{AN_ID}"],1{"0" * 190}e1]'.encode()).decode()
    yield base64.urlsafe_b64encode(f'["{LATER}",["{AN_ID}"],-1{"0" * 210}]'.encode()).decode()
    yield base64.urlsafe_b64encode(b"[" * 300).decode()


@pytest.mark.parametrize("path", ["passes", "detections", "segments"])
def test_any_cursor_is_answered(api: TestClient, world: World, path: str) -> None:
    accept(world, (0, "AB123CD"))
    for more in ({}, {"plate": "AB123CD", "fuzzy": "true"}):
        for each in cursors():
            answer = api.get(f"/v2/video/{path}", params={"cursor": each} | more)
            assert answer.status_code in {200, 422}, (each, answer.text)


@pytest.mark.parametrize("path", ["passes", "detections"])
def test_any_attribute_is_answered(api: TestClient, path: str) -> None:
    given = [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "9" * 128,
        "[" * 128,
        '"\\ud800"',
        "\\u0000",
        "1E-999",
    ]
    for value in given:
        answer = api.get(f"/v2/video/{path}", params={"attribute.color": value})
        assert answer.status_code == 200, (value, answer.text)
        assert answer.json()["items"] == []


def test_every_filter_at_once(api: TestClient, world: World) -> None:
    accept(world, (0, "AB123CD"))
    answer = api.get(
        "/v2/video/passes",
        params={
            "plate": "AB123CD", "fuzzy": "true", "camera_id": "cam1", "from": "2000-01-01T00:00:00Z",
            "to": "2100-01-01T00:00:00Z", "day_from": "23:00", "day_to": "22:59:59", "tz": "Europe/Berlin",
            "min_confidence": "0", "min_dwell": "0", "max_dwell": "1000000000", "recorded": "true", "hit": "false",
            "acknowledged": "true", "list": "x", "review": "confirmed", "sort": "match", "attribute.a": "1",
        },
    )  # fmt: skip
    assert answer.status_code == 200, answer.text


def test_a_plate_of_any_alphabet_is_found_as_it_is_written(api: TestClient, world: World) -> None:
    plates = ["töl ab 1", "ñ 12-ж7", "\\%_12", "沪A·1234"]
    accept(world, *[(30.0 * number, plate) for number, plate in enumerate(plates)])
    for plate in plates:
        for path in ("passes", "detections", "segments"):
            answer = api.get(f"/v2/video/{path}", params={"plate": plate})
            assert answer.json()["total"] == 1, (plate, path)
