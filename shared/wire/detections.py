"""A detection as JSON, and the one validator for every door."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.domain.errors import BadInput
from shared.domain.media import Box, Detection
from shared.domain.names import CAMERA_ID, DETECTION_ID
from shared.domain.plates import plate_key
from shared.domain.timing import from_ms, to_ms
from shared.wire.bounded_json import load_json, printable, unstorable

MAX_BYTES = 64 * 1024
MAX_AHEAD_MS = 5_000
FURTHEST_PIXEL = 1_000_000
# controls, formats, and what is no character
UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Letters, marks and signs by their category, and nothing to be seen all the same.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
NAMESPACE = uuid5(NAMESPACE_URL, "platereel:detection")
_EARLIEST_MS = to_ms(datetime(2000, 1, 1, tzinfo=UTC))
# Epoch seconds reach these in the year 5138, epoch times in smaller units today.
_UNITS = ((1e17, "nanoseconds"), (1e14, "microseconds"), (1e11, "milliseconds"))


def _moment(value: object) -> datetime:
    """Reads RFC 3339 with a zone, or epoch seconds."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            try:
                value = datetime.fromisoformat(str(value))
            except ValueError as error:
                raise ValueError("neither RFC 3339 nor epoch seconds") from error
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time without a zone is ambiguous; end it with Z or an offset")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("neither RFC 3339 nor epoch seconds")  # noqa: TRY004 - pydantic reports ValueError
    try:
        return (
            value.astimezone(UTC)
            if isinstance(value, datetime)
            else from_ms(round(_seconds(value) * 1000))
        )
    except OverflowError as error:
        raise ValueError("no such time") from error


def _seconds(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("no such time")
    unit = next((unit for least, unit in _UNITS if abs(value) >= least), None)
    if unit is not None:
        raise ValueError(f"no such time; epoch times are in seconds, this looks like {unit}")
    return value


def _plate(value: str | None) -> str | None:
    """Returns a plate as it was read; None where it has no letter or digit.

    Invisible characters are refused.
    """
    if value is None:
        return None
    hidden = next(
        (each for each in value if unicodedata.category(each) in UNSEEN or _BLANK.match(each)), None
    )
    if hidden is not None:
        raise ValueError(f"holds U+{ord(hidden):04X}, which no plate has")
    return value if plate_key(value) else None


Number = Annotated[float, Field(strict=True)]
ReadPlate = Annotated[Annotated[str, Field(max_length=32)] | None, AfterValidator(_plate)]


class DetectionMessage(BaseModel):
    """What a detector sends. captured_at is the frame's own time; bbox is [x, y, width, height] in
    its pixels.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    camera_id: str = Field(
        pattern=f"^{CAMERA_ID.pattern}$", description="A camera of the configuration."
    )
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    detection_id: str | None = Field(default=None, pattern=f"^{DETECTION_ID.pattern}$")
    captured_at: Annotated[datetime, BeforeValidator(_moment)] | None = Field(
        default=None, description="RFC 3339 or epoch seconds; without it, the time of arrival."
    )
    plate: ReadPlate = None
    bbox: tuple[float, float, float, float] | None = None
    attributes: dict[str, Any] = Field(default_factory=dict, max_length=64)


class JsonDetection(DetectionMessage):
    """A detection as JSON, where a number is a number; fields of a stream are text."""

    confidence: float = Field(ge=0, le=1, allow_inf_nan=False, strict=True)
    bbox: tuple[Number, Number, Number, Number] | None = None


def parse_detection(
    payload: bytes | Mapping[str, Any], *, arrival_ms: int, entry_id: str
) -> Detection:
    """Returns the detection in a message; raises BadInput that names the first wrong field.

    arrival_ms, entry_id: when and as what it arrived. They replace a missing time and id, so that
    the same message delivered again gets the same id.
    """
    message = _validated(payload)
    captured_ms = arrival_ms if message.captured_at is None else to_ms(message.captured_at)
    if captured_ms > arrival_ms + MAX_AHEAD_MS:
        raise BadInput(
            "captured_at",
            f"{(captured_ms - arrival_ms) / 1000:.1f} s ahead of now; check the clocks",
        )
    if captured_ms < _EARLIEST_MS:
        raise BadInput(
            "captured_at",
            f"{from_ms(captured_ms).isoformat()} is before 2000; epoch times are in seconds",
        )
    box = _box(message.bbox)
    if message.detection_id is not None:
        identifier = message.detection_id
    elif message.captured_at is None:
        identifier = str(uuid5(NAMESPACE, f"entry:{entry_id}"))
    else:
        moment = from_ms(captured_ms).isoformat(timespec="milliseconds")
        identifier = str(
            uuid5(NAMESPACE, f"{message.camera_id}|{moment}|{message.plate}|{message.bbox}")
        )
    return Detection(
        detection_id=identifier,
        camera_id=message.camera_id,
        captured_ms=captured_ms,
        confidence=message.confidence,
        plate=message.plate,
        bbox=box,
        attributes=message.attributes,
    )


def _validated(payload: bytes | Mapping[str, Any]) -> DetectionMessage:
    if isinstance(payload, bytes):
        payload = read_json("detection", payload)
    if not isinstance(payload, Mapping):
        raise BadInput("detection", "not a JSON object")
    refuse_unstorable(payload)
    try:
        return DetectionMessage.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "detection"
        raise BadInput(printable(field, 64), first["msg"].removeprefix("Value error, ")) from error


def refuse_unstorable(payload: Mapping[str, Any]) -> None:
    """Raise BadInput for what no database takes, before a recursive validator reads it."""
    for name, value in payload.items():
        if isinstance(value, Mapping | list | tuple) and (reason := unstorable(value)) is not None:
            raise BadInput(printable(str(name), 64), reason)


def read_json(field: str, data: bytes) -> Any:
    """Returns the JSON in a message of at most 64 KiB; BadInput names `field`."""
    if len(data) > MAX_BYTES:
        raise BadInput(field, f"{len(data)} bytes are over the limit of {MAX_BYTES}")
    try:
        return load_json(data)
    except ValueError as error:
        raise BadInput(field, f"not JSON: {printable(str(error))}") from error


def _box(bbox: tuple[float, float, float, float] | None) -> Box | None:
    if bbox is None:
        return None
    if any(not abs(side) < FURTHEST_PIXEL for side in bbox) or bbox[2] < 0 or bbox[3] < 0:
        raise BadInput(
            "bbox", "[x, y, width, height] in pixels, with a width and a height of at least 0"
        )
    if any(0 < side < 1 for side in bbox[2:]) or bbox == (0, 0, 1, 1):
        # The size of the picture is not known here; rounded, such a box would be [0, 0, 0, 0].
        raise BadInput(
            "bbox",
            "[x, y, width, height] in pixels; these look like fractions of the picture's size",
        )
    return Box(*(round(side) for side in bbox))


def payload_of(fields: Mapping[bytes, bytes]) -> bytes | dict[str, Any]:
    """Returns the message in a stream entry: one field that holds JSON, whatever its name, or a
    field per key.
    """
    if len(fields) == 1:
        return next(iter(fields.values()))
    size = sum(len(name) + len(value) for name, value in fields.items())
    if size > MAX_BYTES:
        raise BadInput("detection", f"{size} bytes are over the limit of {MAX_BYTES}")
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        key = name.decode("utf-8", "replace")
        flat[key] = (
            read_json(key, value)
            if key in {"bbox", "attributes"}
            else value.decode("utf-8", "replace")
        )
    return flat


def encode_detection(detection: Detection) -> bytes:
    """Returns the JSON of a detection, as every door takes it."""
    box = detection.bbox
    return json.dumps(
        {
            "detection_id": detection.detection_id,
            "camera_id": detection.camera_id,
            "captured_at": from_ms(detection.captured_ms).isoformat(timespec="milliseconds"),
            "confidence": detection.confidence,
            "plate": detection.plate,
            "bbox": None if box is None else [box.x, box.y, box.width, box.height],
            "attributes": dict(detection.attributes),
        }
    ).encode()
