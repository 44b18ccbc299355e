"""Other makers' cameras at the HTTP doors, with real servers behind them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from services.api.doors.messages import MOST_REQUEST_BYTES
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.domain.access import Role
from shared.domain.errors import Retryable
from shared.domain.timing import from_ms
from shared.wire.keys import Keys
from tests.support import doors as made
from tests.support.doors import JPEG_OF_PLATE, JPEG_OF_SCENE, PLATE, encoded
from tests.support.servers import Servers
from tests.support.world import World, open_world

DOORS = "/v2/video/doors"
BOSS = "boss-secret-of-16-characters"
FORM = {
    "licensePlatePicture.jpg": ("licensePlatePicture.jpg", JPEG_OF_PLATE, "image/jpeg"),
    "detectionPicture.jpg": ("detectionPicture.jpg", JPEG_OF_SCENE, "image/pjpeg"),
}


@pytest.fixture(scope="module")
def world(servers: Servers) -> Iterator[World]:
    """One for all tests here, each of which uses plates of its own."""
    with open_world(servers) as opened:
        yield opened


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[TestClient]:
    settings = world.settings.model_copy(update={"api_keys": SecretStr(f"boss:admin:{BOSS}")})
    with TestClient(
        build(settings),
        base_url="http://127.0.0.1",
        raise_server_exceptions=False,
        headers={"Authorization": f"Basic {b64encode(f'any:{BOSS}'.encode()).decode()}"},
    ) as client:
        yield client


def _letters(world: World) -> list[dict[bytes, bytes]]:
    rejected = Keys(world.settings.redis_prefix, world.settings.detections_name).rejected
    found: Any = world.redis.xrange(rejected)
    return [fields for _, fields in found]


def _stored(world: World, plate: str) -> list[dict[str, Any]]:
    return world.database.fetch("SELECT * FROM detections WHERE plate = %s", plate)


def _now(world: World) -> str:
    return from_ms(world.clock.now_ms() - 1_000).isoformat(timespec="milliseconds")


MESSAGES: dict[str, tuple[str, Any, str]] = {
    "hikvision": ("hikvision", made.hikvision, "alert_dateTime"),
    "axis": ("axis", made.axis, "capture_timestamp"),
    "milesight": ("milesight", made.milesight, "time"),
    "openalpr-group": ("openalpr", made.alpr_group, "best_uuid_epoch_ms"),
    "openalpr-results": ("openalpr", made.alpr_results, "epoch_time"),
    "frigate-event": ("frigate", made.frigate_event, "frame_time"),
    "frigate-read": ("frigate", made.frigate_read, "timestamp"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_becomes_a_detection_once(api: TestClient, world: World, name: str) -> None:
    """However often it is sent; and of the dispatcher's stream it is part."""
    maker, message, time = MESSAGES[name]
    plate = name.replace("-", "")[:9].upper()
    text = json.dumps(message(**{time: _now(world)})).replace(PLATE, plate)
    answers = [api.post(f"{DOORS}/{maker}", content=text) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    first, second = (answer.json() for answer in answers)
    assert first["items"][0]["detection_id"] == second["items"][0]["detection_id"]
    assert (first["total"], first["skipped"], first["Result"]) == (1, [], True)
    (row,) = _stored(world, plate)
    assert row["camera_id"] == "cam1"
    assert row["attributes"]["detector"] == maker


def test_a_dahua_camera_says_that_it_lives_and_what_it_saw(api: TestClient, world: World) -> None:
    alive = api.post(f"{DOORS}/dahua", json={"Active": "keepAlive", "DeviceID": "cam1"})
    assert (alive.status_code, alive.json()["total"]) == (200, 0)
    message = made.dahua(plate={"PlateNumber": "DAHUA1"}, snap={"AccurateTime": _now(world)})
    assert api.post(f"{DOORS}/dahua", json=message).json()["total"] == 1
    assert len(_stored(world, "DAHUA1")) == 1


def test_hikvision_posts_xml_alone_and_in_forms(api: TestClient, world: World) -> None:
    """With and without file names, its parts in any order."""
    sent = {"alert_dateTime": _now(world)}
    xml = {
        plate: made.hikvision_xml(**sent, licensePlate=plate, alert_UUID=f"id-{plate}")
        for plate in ("XML1", "XML2", "XML3", "XML4")
    }
    address = f"{DOORS}/hikvision"
    named = ("anpr.xml", xml["XML2"], "text/xml")
    plain = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\nContent-Length: 1\r\n\r\n%s\r\n'
        % part
        for part in (
            (b"detectionPicture.jpg", JPEG_OF_SCENE),
            (b"anpr.xml", xml["XML4"].replace(b"SUVMPV", "Größe".encode())),
        )
    )
    answers = [
        api.post(address, content=xml["XML1"], headers={"content-type": "application/xml"}),
        api.post(address, files={"anpr.xml": named, **FORM}),
        api.post(address, files={**FORM, "x": ("", xml["XML3"], "text/xml")}),
        api.post(
            address,
            content=plain + b"--b--\r\n",
            headers={"content-type": "multipart/form-data; boundary=b"},
        ),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4, answers[-1].text
    assert all(len(_stored(world, plate)) == 1 for plate in xml)
    assert _stored(world, "XML4")[0]["attributes"]["vehicle_type"] == "Größe"
    assert _stored(world, "XML2")[0]["bbox"] == [480, 540, 192, 54]


@pytest.mark.parametrize(
    ("maker", "body", "named"),
    [
        ("hikvision", made.hikvision_xml()[:-200], "EventNotificationAlert"),
        ("hikvision", b"<!DOCTYPE a [<!ENTITY a 'b'>]><EventNotificationAlert/>", "DOCTYPE"),
        ("hikvision", b"<Metadata/>", "root element is Metadata"),
        ("hikvision", encoded(made.hikvision(confidenceLevel="x")), "ANPR.confidenceLevel"),
        ("dahua", b"<xml/>", "not JSON"),
        ("dahua", b"", "not JSON"),
        ("axis", b"[1]", "not a JSON object"),
        ("axis", b'{"a":' * 900 + b"1" + b"}" * 900, "nested"),
        ("milesight", encoded(made.milesight(device="elsewhere")), "no camera elsewhere"),
        ("milesight", encoded(made.milesight(plate="A\x07B")), "U+0007"),
        ("openalpr", encoded(made.alpr_group(best_uuid_epoch_ms="soon")), "best_uuid_epoch_ms"),
        ("frigate", encoded(made.frigate_event(camera="elsewhere")), "after.camera"),
        ("frigate", encoded(made.frigate_read(timestamp=9_000_000_000)), "ahead of now"),
    ],
)
def test_what_cannot_be_mapped_is_a_dead_letter_too(
    api: TestClient, world: World, maker: str, body: bytes, named: str
) -> None:
    before = len(_letters(world))
    answer = api.post(f"{DOORS}/{maker}", content=body)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]
    (letter,) = _letters(world)[before:]
    assert letter[b"json"] == body
    assert named in letter[b"reason"].decode()


def test_of_three_plates_with_a_wrong_one_two_are_stored(api: TestClient, world: World) -> None:
    result = made.alpr_results()["results"][0]
    results = [{**result, "plate": f"THREE{number}"} for number in range(3)]
    results[1]["confidence"] = "much"
    picture = made.base64(JPEG_OF_SCENE * 400)
    before = len(_letters(world))
    message = made.alpr_results(
        *results, uuid="three", epoch_time=world.clock.now_ms(), overview_jpeg=picture
    )
    answer = api.post(f"{DOORS}/openalpr", json=message)
    assert (answer.status_code, answer.json()["total"]) == (200, 2)
    assert [each["result"] for each in answer.json()["skipped"]] == [1]
    (letter,) = _letters(world)[before:]
    kept = json.loads(letter[b"json"])
    assert kept["results"] == results
    assert kept["overview_jpeg"] == f"({len(picture)} characters)", "pictures are not kept"


def test_a_form_without_a_message_and_a_body_too_large_are_refused(api: TestClient) -> None:
    no_message = api.post(f"{DOORS}/hikvision", files=FORM)
    assert (no_message.status_code, "form" in no_message.json()["detail"]) == (422, True)
    cut = api.post(
        f"{DOORS}/hikvision",
        content=b"--b\r\nContent",
        headers={"content-type": "multipart/form-data"},
    )
    assert cut.status_code == 422
    large = api.post(f"{DOORS}/axis", content=bytes(MOST_REQUEST_BYTES + 1))
    assert large.status_code == 413
    assert api.post(f"{DOORS}/nobody", json={}).status_code == 422
    assert api.post(f"{DOORS}/axis?tz=Mars", json={}).json()["errors"][0]["field"] == "tz"
    assert (
        api.post(f"{DOORS}/axis?confidence=2", json={}).json()["errors"][0]["field"] == "confidence"
    )


def test_the_address_says_what_a_message_lacks(api: TestClient, world: World) -> None:
    answer = api.post(
        f"{DOORS}/axis?camera_id=cam2&confidence=0.8",
        json=made.axis_older(text="OLDER1", timestamp=world.clock.now_ms()),
    )
    assert (answer.status_code, answer.json()["total"]) == (200, 1), answer.text
    (row,) = _stored(world, "OLDER1")
    assert (row["camera_id"], row["confidence"]) == ("cam2", pytest.approx(0.8))


def test_who_may_report(api: TestClient, world: World) -> None:
    """A key as Bearer or as Basic's password, of this camera; a key in the address is none."""
    access = PostgresAccessRows(world.database)

    def key(role: Role, cameras: list[str] | None) -> str:
        name = f"{role}-{'-'.join(cameras or ['all'])}"
        return access.create_key(
            name=name, role=role, cameras=cameras, expires_at=None, who="test"
        )[1]

    own, viewer = key(Role.OPERATOR, ["cam1"]), key(Role.VIEWER, None)
    message = made.milesight(time=_now(world), plate="WHO1")
    address = f"{DOORS}/milesight"

    def ask(authorization: str | None, where: str = address, **headers: str) -> Any:
        sent = {"Authorization": authorization or "", **headers}
        return api.post(where, json=message, headers=sent)

    def basic(secret: str, user: str = "camera") -> str:
        return f"Basic {b64encode(f'{user}:{secret}'.encode()).decode()}"

    assert ask(basic(own)).status_code == 200
    assert ask(basic(own, user="")).status_code == 200
    assert ask(f"Bearer {own}").status_code == 200
    assert ask(basic(viewer)).status_code == 403
    foreign = ask(basic(own), f"{address}?camera_id=cam2")
    assert (foreign.status_code, foreign.json()["errors"][0]["field"]) == (422, "camera_id")
    refused = ask(None, f"{address}?key={own}&api_key={own}")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (
        401,
        'Basic realm="platereel", Bearer',
    )
    assert ask("Basic !").status_code == 401
    # a browser adds Basic by itself, so another site's page could use it
    assert ask(basic(own), **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    elsewhere = api.get("/v2/video/cameras", headers={"Authorization": basic(own)})
    assert elsewhere.status_code == 401, "Basic is for the doors alone"
    assert [ask(basic("wrong" * 5)).status_code for _ in range(11)][-1] == 429
    assert ask(basic(own)).status_code == 200


def test_a_dead_letter_that_cannot_be_kept_changes_no_answer(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def reject(self, *_: object) -> None:
            raise Retryable("the broker Redis does not answer")

    app: Any = api.app
    ports = app.state.ports
    monkeypatch.setattr(app.state, "ports", replace(ports, stream=Away()))
    answer = api.post(f"{DOORS}/axis", json={"sensorProviderID": "cam1"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "plateText")
