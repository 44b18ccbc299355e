"""What becomes of other makers' messages: each documented form, damaged ones and partial ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.domain.errors import BadInput
from shared.domain.media import Box
from shared.wire.detections import parse_detection
from shared.wire.doors import axis, dahua, frigate, hikvision, milesight, openalpr
from shared.wire.doors.understood import Adapter, Attached, Door, Understood
from shared.wire.doors.xml import MOST_ELEMENTS, MOST_NESTED, read_xml
from tests.support import doors as made
from tests.support.doors import AT_S, JPEG_OF_PLATE, JPEG_OF_SCENE, PLATE

NOW = round(AT_S * 1000) + 1_000
# its cameras have local time, and the door says which
DOOR = Door(cameras=("cam1", "cam2"), zone=ZoneInfo("Europe/Berlin"))
FILES = (
    Attached("licensePlatePicture.jpg", JPEG_OF_PLATE),
    Attached("detectionPicture.jpg", JPEG_OF_SCENE),
)
BOTH = {"plate": JPEG_OF_PLATE, "scene": JPEG_OF_SCENE}
XML = hikvision.ROOT


def _door(**change: Any) -> Door:
    return Door(**{"cameras": DOOR.cameras, "zone": DOOR.zone, **change})


def _xml(data: bytes) -> dict[str, Any]:
    return read_xml(data, XML)


Case = tuple[Adapter, Any, Door, float, list[float] | None, dict[str, Any], dict[str, bytes]]
CASES: dict[str, Case] = {
    "hikvision-xml": (
        hikvision.detections_of, lambda: _xml(made.hikvision_xml()), _door(attached=FILES), 0.93,
        [480, 540, 192, 54],
        {
            "detector": "hikvision", "direction": "forward", "speed_kmh": 31.0, "country": "GBR", "color": "blue",
            "vehicle_type": "SUVMPV", "lane": "2", "list": "temporary", "plate_color": "white",
        }, BOTH,
    ),
    "hikvision-json": (
        hikvision.detections_of, lambda: {"EventNotificationAlert": made.hikvision()}, DOOR, 0.93,
        [480, 540, 192, 54], {"lane": "2"}, {},
    ),
    "hikvision-without-a-size": (
        hikvision.detections_of, lambda: made.hikvision(alert_detectionBackgroundImageResolution=None), DOOR, 0.93,
        None, {"bbox_left_out": "the message does not say how large its picture is"}, {},
    ),
    "dahua": (
        dahua.detections_of, made.dahua, DOOR, 0.88, None,
        {
            "detector": "dahua", "direction": "Obverse", "speed_kmh": 42.0, "make": "Skoda", "model": "Fabia",
            "color": "Red", "vehicle_type": "SaloonCar", "lane": "3", "list": "allow", "plate_color": "Yellow",
            "bbox_left_out": "the message does not say how large its picture is",
        }, BOTH,
    ),
    "dahua-older": (dahua.detections_of, lambda: made.dahua()["Picture"], DOOR, 0.88, None, {"lane": "3"}, BOTH),
    "dahua-wrapped": (
        dahua.detections_of, lambda: {"NotificationInfo": {"TollgateInfo": made.dahua()}}, DOOR, 0.88, None, {}, BOTH,
    ),
    "axis": (
        axis.detections_of, made.axis, DOOR, 0.912, [640, 500, 120, 30],
        {
            "detector": "axis", "direction": "in", "country": "GBR", "make": "Opel", "model": "Corsa",
            "color": "SILVER", "vehicle_type": "CAR", "lane": "1", "list": "residents", "car_id": "902", "state": "new",
        }, {"plate": JPEG_OF_PLATE},
    ),
    "axis-nanoseconds": (
        axis.detections_of,
        lambda: made.axis(capture_timestamp="0", capture_ts=f"{round(AT_S * 1000)}000000"), DOOR, 0.912,
        [640, 500, 120, 30], {}, {"plate": JPEG_OF_PLATE},
    ),
    "axis-local-time": (
        axis.detections_of, lambda: made.axis(capture_timestamp=""), DOOR, 0.912,
        [640, 500, 120, 30], {}, {"plate": JPEG_OF_PLATE},
    ),
    "axis-older": (
        axis.detections_of, lambda: made.axis_older(timestamp=round(AT_S * 1000)),
        _door(camera_id="cam1", confidence=0.75), 0.75, [640, 500, 120, 30],
        {"detector": "axis", "country": "GBR", "list": "Allow"}, {},
    ),
    "milesight": (
        milesight.detections_of, made.milesight, DOOR, 0.87, [600, 500, 120, 30],
        {
            "detector": "milesight", "direction": "Approach", "speed": 38.0, "region": "GBR", "color": "Black",
            "vehicle_type": "Car", "lane": "1", "list": "allow", "plate_color": "White",
        }, BOTH,
    ),
    "openalpr-group": (
        openalpr.detections_of, made.alpr_group, DOOR, 0.915, [600, 500, 120, 40],
        {
            "detector": "openalpr", "heading_degrees": 182.5, "country": "gb", "region": "gb-eng", "make": "ford",
            "model": "focus", "color": "green", "vehicle_type": "sedan-compact", "year": "2015-2019", "parked": False,
        }, BOTH,
    ),
    "openalpr-results": (
        openalpr.detections_of, made.alpr_results, DOOR, 0.8425, [10, 20, 50, 20], {"detector": "openalpr"}, {},
    ),
    "openalpr-open-agent": (
        openalpr.detections_of,
        lambda: {k: v for k, v in made.alpr_results(epoch_time=AT_S).items() if k != "data_type"}, DOOR, 0.8425,
        [10, 20, 50, 20], {}, {},
    ),
    "frigate-event": (
        frigate.detections_of, made.frigate_event, DOOR, 0.94, None,
        {
            "detector": "frigate", "speed": 12.5, "heading_degrees": 90.0, "vehicle_type": "car",
            "known_as": "the neighbour", "event_id": "1795625998.5-k3x9ab", "stationary": False,
            "bbox_left_out": "the message does not say how large its picture is",
        }, {},
    ),
    "frigate-pair": (
        frigate.detections_of,
        lambda: made.frigate_event(
            "end", recognized_license_plate=[PLATE, 0.5], recognized_license_plate_score=None, sub_label="x",
        ), DOOR, 0.5, None, {"known_as": "x"}, {},
    ),
    "frigate-read": (
        frigate.detections_of, made.frigate_read, DOOR, 0.94, None, {"known_as": "the neighbour"}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_documented_form_is_a_detection(case: Case) -> None:
    adapter, message, door, confidence, bbox, attributes, pictures = case
    understood = adapter(message(), door)
    assert not understood.skipped
    ((index, body),) = understood.detections
    detection = parse_detection(json.dumps(body).encode(), arrival_ms=NOW, entry_id="1-0")
    assert (detection.camera_id, detection.plate) == ("cam1", PLATE)
    assert detection.captured_ms == round(AT_S * 1000)
    assert detection.confidence == pytest.approx(confidence)
    assert detection.bbox == (None if bbox is None else Box(*map(int, bbox)))
    assert attributes.items() <= detection.attributes.items()
    if len(attributes) > 3:
        assert set(detection.attributes) == set(attributes)
    assert dict(understood.pictures.get(index, {})) == pictures


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_message_that_is_sent_twice_is_one_detection(case: Case) -> None:
    adapter, message, door, *_ = case
    ids = {
        parse_detection(
            json.dumps(adapter(message(), door).detections[0][1]).encode(),
            arrival_ms=NOW + later,
            entry_id=f"{later}-0",
        ).detection_id
        for later in (0, 60_000)
    }
    assert len(ids) == 1


def test_the_makers_own_id_is_the_detections_id() -> None:
    (of_hikvision,) = hikvision.detections_of(made.hikvision(), DOOR).detections
    assert of_hikvision[1]["detection_id"] == "5b1f6a9e-0000-4000-8000-00000000000a"
    (of_group,) = openalpr.detections_of(made.alpr_group(), DOOR).detections
    assert of_group[1]["detection_id"] == "AGENT1-12-1795626000250"
    odd = hikvision.detections_of(made.hikvision(alert_UUID="no id / at all"), DOOR)
    assert len(odd.detections[0][1]["detection_id"]) == 36


NOTHING: dict[str, tuple[Adapter, Any]] = {
    "hikvision-alive": (
        hikvision.detections_of,
        {"eventType": "videoloss", "eventState": "inactive", "channelID": "1"},
    ),
    "dahua-alive": (dahua.detections_of, {"Active": "keepAlive", "DeviceID": "cam1"}),
    "axis-alive": (axis.detections_of, {"type": "heartbeat"}),
    "openalpr-alive": (openalpr.detections_of, {"data_type": "heartbeat", "agent_uid": "A"}),
    "openalpr-no-plates": (openalpr.detections_of, made.alpr_results(results=[])),
    "frigate-description": (frigate.detections_of, {"type": "description", "id": "1", "text": "a"}),
}


@pytest.mark.parametrize(("adapter", "message"), NOTHING.values(), ids=NOTHING)
def test_a_message_without_a_read_is_no_error(adapter: Adapter, message: Any) -> None:
    assert adapter(message, DOOR) == Understood()


UNREAD: dict[str, tuple[Adapter, Any]] = {
    "hikvision": (hikvision.detections_of, made.hikvision(licensePlate="unknown")),
    "hikvision-none": (hikvision.detections_of, made.hikvision(licensePlate="noPlate")),
    "dahua": (dahua.detections_of, made.dahua(plate={"IsExist": False, "PlateNumber": ""})),
    "axis": (axis.detections_of, made.axis(plateText="", plateUTF8="", plateASCII="")),
    "milesight": (milesight.detections_of, made.milesight(plate="")),
    "frigate": (frigate.detections_of, made.frigate_event(recognized_license_plate=None)),
    "frigate-false": (frigate.detections_of, made.frigate_event(false_positive=True)),
}


@pytest.mark.parametrize(("adapter", "message"), UNREAD.values(), ids=UNREAD)
def test_a_vehicle_whose_plate_was_not_read_is_told_and_not_wrong(
    adapter: Adapter, message: Any
) -> None:
    understood = adapter(message, DOOR)
    assert not understood.detections
    assert [each.wrong for each in understood.skipped] == [False]


BAD: dict[str, tuple[Adapter, Any, str]] = {
    "hikvision-no-plate": (hikvision.detections_of, made.hikvision(licensePlate=None), "ANPR.licensePlate"),
    "hikvision-word": (hikvision.detections_of, made.hikvision(confidenceLevel="high"), "ANPR.confidenceLevel"),
    "hikvision-101": (hikvision.detections_of, made.hikvision(confidenceLevel="101"), "ANPR.confidenceLevel"),
    "hikvision-fraction": (hikvision.detections_of, made.hikvision(confidenceLevel="0.93"), "looks like a fraction"),
    "hikvision-none": (hikvision.detections_of, made.hikvision(confidenceLevel=None), "no confidence in the address"),
    "hikvision-time": (hikvision.detections_of, made.hikvision(alert_dateTime="soon"), "dateTime"),
    "hikvision-camera": (hikvision.detections_of, made.hikvision(alert_channelName="Camera 01"), "channelName"),
    "hikvision-no-read": (hikvision.detections_of, made.hikvision(alert_ANPR=None), "ANPR"),
    "hikvision-empty": (hikvision.detections_of, {}, "ANPR"),
    "dahua-no-plate": (dahua.detections_of, {"Picture": {"SnapInfo": {}}}, "Picture.Plate"),
    "dahua-no-number": (dahua.detections_of, made.dahua(plate={"PlateNumber": None}), "Plate.PlateNumber"),
    "dahua-word": (dahua.detections_of, made.dahua(plate={"Confidence": "sure"}), "Plate.Confidence"),
    "dahua-time": (dahua.detections_of, made.dahua(snap={"AccurateTime": "25.11. 6 pm"}), "SnapInfo.AccurateTime"),
    "dahua-camera": (dahua.detections_of, made.dahua(snap={"DeviceID": None}), "SnapInfo.DeviceID"),
    "axis-no-plate": (axis.detections_of, {"sensorProviderID": "cam1"}, "plateText"),
    "axis-word": (axis.detections_of, made.axis(plateConfidence="sure"), "plateConfidence"),
    "axis-percent": (axis.detections_of, made.axis(plateConfidence="91.2"), "plateConfidence"),
    "axis-time": (axis.detections_of, made.axis(capture_timestamp="x"), "capture_timestamp"),
    "axis-local": (axis.detections_of, made.axis(capture_timestamp="", datetime="20269999 180000"), "datetime"),
    "axis-older": (axis.detections_of, made.axis_older(name="cam1"), "no confidence in the address"),
    "milesight-no-plate": (milesight.detections_of, {"device": "cam1"}, "plate"),
    "milesight-number": (milesight.detections_of, made.milesight(plate={"text": 1}), "plate"),
    "milesight-word": (milesight.detections_of, made.milesight(confidence="sure"), "confidence"),
    "milesight-time": (milesight.detections_of, made.milesight(time="9999-99-99"), "time"),
    "milesight-long": (milesight.detections_of, made.milesight(plate="X" * 33), "plate"),
    "openalpr-type": (openalpr.detections_of, {"uuid": "1"}, "data_type"),
    "openalpr-list": (openalpr.detections_of, made.alpr_results(results={"plate": PLATE}), "results"),
    "openalpr-many": (openalpr.detections_of, made.alpr_results(results=[{}] * 101), "results"),
    "openalpr-no-plate": (openalpr.detections_of, {"data_type": "alpr_group", "camera_id": "cam1"}, "best_plate"),
    "openalpr-word": (openalpr.detections_of, made.alpr_group(best_confidence="x"), "best_confidence"),
    "openalpr-time": (openalpr.detections_of, made.alpr_group(best_uuid_epoch_ms=1e30), "best_uuid_epoch_ms"),
    "frigate-type": (frigate.detections_of, {}, "type"),
    "frigate-after": (frigate.detections_of, {"type": "end"}, "after"),
    "frigate-score": (frigate.detections_of, made.frigate_event(recognized_license_plate_score="x"), "plate_score"),
    "frigate-time": (frigate.detections_of, made.frigate_event(frame_time="noon"), "after.frame_time"),
    "frigate-camera": (frigate.detections_of, made.frigate_read(camera="elsewhere"), "no camera elsewhere"),
    "frigate-no-plate": (frigate.detections_of, made.frigate_read(plate=None), "plate"),
}  # fmt: skip


@pytest.mark.parametrize(("adapter", "message", "named"), BAD.values(), ids=BAD)
def test_what_cannot_be_mapped_is_named(adapter: Adapter, message: Any, named: str) -> None:
    try:
        understood = adapter(message, DOOR)
    except BadInput as error:
        told = error.message
    else:
        assert not understood.detections
        (skipped,) = understood.skipped
        assert skipped.wrong
        told = skipped.reason
    assert named in told


def test_two_of_three_plates_are_taken_where_the_third_is_wrong() -> None:
    result = made.alpr_results()["results"][0]
    good, other = {**result, "plate": "AAA111"}, {**result, "plate": "BBB222"}
    of_openalpr = openalpr.detections_of(
        made.alpr_results(good, {**result, "confidence": "x"}, other), DOOR
    )
    further = [
        {"licensePlate": PLATE, "confidenceLevel": "90"},
        {"licensePlate": "AAA111", "confidenceLevel": "x"},
        {"licensePlate": "BBB222", "confidenceLevel": "70"},
    ]
    of_hikvision = hikvision.detections_of(
        made.hikvision(alert_PlateInfoList={"PlateInfo": further}), DOOR
    )
    for understood in (of_openalpr, of_hikvision):
        assert [index for index, _ in understood.detections] == [0, 2]
        assert [each.index for each in understood.skipped] == [1]
        assert len({body["detection_id"] for _, body in understood.detections}) == 2
    assert of_openalpr.skipped[0].reason.startswith("results.1.confidence: ")


def test_the_address_names_the_camera() -> None:
    message = made.milesight(device="Gate north")
    ((_, body),) = milesight.detections_of(message, _door(camera_id="cam2")).detections
    assert body["camera_id"] == "cam2"


def test_times_without_a_zone_are_of_the_doors_zone() -> None:
    for zone, hour in (("UTC", "18"), ("America/New_York", "23")):
        door = _door(zone=ZoneInfo(zone))
        ((_, body),) = milesight.detections_of(made.milesight(), door).detections
        assert body["captured_at"][11:13] == hour
    ((_, body),) = milesight.detections_of(
        made.milesight(time="2026-11-25T18:00:00+05:00"), _door(zone=ZoneInfo("UTC"))
    ).detections
    assert body["captured_at"][11:13] == "13", "a zone that is stated counts"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "entities": lambda: b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><EventNotificationAlert>&b;'
    b"</EventNotificationAlert>",
    "external": lambda: b'<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd"><EventNotificationAlert/>',
    "undefined": lambda: b"<EventNotificationAlert>&file;</EventNotificationAlert>",
    "deep": lambda: b"<EventNotificationAlert>" + b"<a>" * MOST_NESTED + b"</a>" * MOST_NESTED
    + b"</EventNotificationAlert>",
    "wide": lambda: b"<EventNotificationAlert>" + b"<a/>" * MOST_ELEMENTS + b"</EventNotificationAlert>",
    "large": lambda: b"<EventNotificationAlert>" + b" " * 1_000_000 + b"</EventNotificationAlert>",
    "cut": lambda: made.hikvision_xml()[:-300],
    "root": lambda: b"<Metadata/>",
    "empty": lambda: b"",
    "encoding": lambda: b'<?xml version="1.0" encoding="gb2312"?><EventNotificationAlert/>',
    "nonsense": lambda: b'<?xml version="1.0" encoding="x-nothing"?><EventNotificationAlert/>',
    "null": lambda: b"<EventNotificationAlert>\x00</EventNotificationAlert>",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(BadInput, match=XML):
        read_xml(HOSTILE[name](), XML)


def test_xml_is_read_in_other_encodings_and_with_prefixes() -> None:
    text = made.hikvision_xml().decode().replace("UTF-8", "UTF-16")
    ((_, body),) = hikvision.detections_of(_xml(text.encode("utf-16")), DOOR).detections
    assert body["plate"] == PLATE
    assert _xml(
        b'<h:EventNotificationAlert xmlns:h="u"><h:a>1</h:a></h:EventNotificationAlert>'
    ) == {"a": "1"}
