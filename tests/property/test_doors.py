"""Whatever a door is given, it is understood or refused by name; never another exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import BadInput
from shared.wire.detections import parse_detection
from shared.wire.doors import axis, dahua, frigate, hikvision, milesight, openalpr
from shared.wire.doors.understood import Adapter, Door
from shared.wire.doors.xml import read_xml
from tests.support import doors as made

NOW = round(made.AT_S * 1000) + 1_000
DOOR = Door(cameras=("cam1",), camera_id="cam1")
MAKERS: dict[str, tuple[Adapter, Callable[[], dict[str, Any]]]] = {
    "hikvision": (hikvision.detections_of, made.hikvision),
    "dahua": (dahua.detections_of, made.dahua),
    "axis": (axis.detections_of, made.axis),
    "milesight": (milesight.detections_of, made.milesight),
    "openalpr-group": (openalpr.detections_of, made.alpr_group),
    "openalpr-results": (openalpr.detections_of, made.alpr_results),
    "frigate-event": (frigate.detections_of, made.frigate_event),
    "frigate-read": (frigate.detections_of, made.frigate_read),
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from(["unknown", "0.5", "1e400", "-1", "2026-11-25", "base64,!"]),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=4), inside, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a message, also those that hold others."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, each in inside for place in _places(each, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], given: Any) -> Any:
    if not path:
        return given
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(copy[path[0]], path[1:], given)
    return copy


@pytest.mark.parametrize("maker", MAKERS)
@given(data=st.data())
def test_a_message_with_anything_anywhere_is_understood_or_named(
    maker: str, data: st.DataObject
) -> None:
    adapter, message = MAKERS[maker]
    whole = message()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(_places(whole)[1:]))
        whole = _changed(whole, place, data.draw(ANYTHING))
    try:
        understood = adapter(whole, DOOR)
    except BadInput as error:
        assert error.field
        return
    for index, body in understood.detections:
        assert index not in {each.index for each in understood.skipped}
        try:
            parse_detection(json.dumps(body).encode(), arrival_ms=NOW, entry_id="1-0")
        except BadInput as error:
            # what no door can know: that a plate has invisible characters, or a time is to come
            assert error.field in {"plate", "captured_at"}, error.message


@given(
    st.binary(max_size=60)
    | st.text(st.sampled_from("<>/&;ab![]\"'= E"), max_size=60).map(str.encode)
)
def test_bytes_are_xml_or_refused(data: bytes) -> None:
    for xml in (data, b"<E>" + data + b"</E>"):
        try:
            assert isinstance(read_xml(xml, "E"), dict)
        except BadInput as error:
            assert error.field == "E"


@given(ANYTHING.filter(lambda value: isinstance(value, dict)))
def test_an_object_of_any_form_is_understood_or_named(body: dict[str, Any]) -> None:
    for adapter, _ in MAKERS.values():
        try:
            assert not adapter(body, DOOR).detections
        except BadInput as error:
            assert error.field
