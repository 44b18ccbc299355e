"""A description that leads Schemathesis to what is there: ids, cameras and names of one world, in
place of any.

Whatever else is asked for is then a negative case, which must be refused.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFLICT, SERVICE_UNAVAILABLE = 409, 503
CAMERA = "/v2/video/cameras/{camera_id}"
SEGMENT, PIECE = "/v2/video/segments/{segment_id}", "/hls/{from_ms}-{to_ms}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a world has. deletable, many: clips that nothing else needs; piece: from and to of one
    of `streamed`; entries: of the first of the lists; shared: the token of a share; gone: a camera
    that is in no file any more.
    """

    clips: Sequence[str]
    deletable: Sequence[str]
    many: Sequence[str]
    streamed: str
    piece: tuple[int, int]
    camera: str
    cameras: Sequence[str]
    detection: str
    passes: Sequence[str]
    key: str
    names: Sequence[str]
    lists: Sequence[str]
    entries: Sequence[str]
    later: Sequence[str]
    invitations: Sequence[str]
    shares: Sequence[str]
    shared: str
    gone: str


def narrowed(description: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """The description with what there is as the only values of its parameters and bodies."""
    found: dict[str, Any] = json.loads(json.dumps(description))
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            values = _values(facts, path, method)
            for parameter in operation.get("parameters", []):
                if parameter["name"] in values:
                    parameter["schema"] = {"enum": list(values[parameter["name"]])}
            # A cursor goes without an offset, and a plate in evidence with redact: no description
            # can say that.
            # Nor which characters of a title nobody sees.
            alone = (
                {"redact", "plate"}
                if path == f"{SEGMENT}/export"
                else {"cursor", "before", "title"}
            )
            kept = [each for each in operation.get("parameters", []) if each["name"] not in alone]
            operation["parameters"] = kept
    schemas = found["components"]["schemas"]
    schemas["Login"]["properties"]["key"] = {"enum": [facts.key]}
    schemas["Redemption"]["properties"] |= {
        "token": {"enum": list(facts.invitations)},
        # Other keys' names are made of the same few characters, and each name is used once.
        "name": {"enum": [f"invited-{number}" for number, _ in enumerate(facts.invitations)]},
    }
    # How long a link lasts is said in one of two ways.
    schemas["ShareRequest"]["properties"]["expires_at"] = {"enum": [None]}
    schemas["ShareRequest"]["required"] = ["expires_in_hours"]
    schemas["ShareRequest"]["properties"]["expires_in_hours"] = {"enum": [1, 24.5]}
    schemas["OpenedShare"]["properties"]["token"] = {"enum": [facts.shared]}
    (cookie,) = found["paths"]["/v2/video/shared/clip"]["get"]["parameters"]
    cookie["required"] = True
    schemas["KeyRequest"]["properties"]["expires_at"] = {"enum": [*facts.later, None]}
    schemas["BulkRequest"]["properties"]["ids"]["items"] = {"enum": list(facts.many)}
    detection = found["paths"]["/v2/video/detections"]["post"]["requestBody"]["content"][
        "application/json"
    ]["schema"]
    detection["properties"]["camera_id"] = {"enum": list(facts.cameras)}
    found["paths"]["/v2/video/plate-recognizer"]["post"]["requestBody"]["content"] = {
        "application/json": {"schema": _plate_recognizer(facts.camera)}
    }
    schemas["PassReview"]["properties"] |= {
        "review": {"enum": ["confirmed", "rejected"]},
        "plate": {"enum": [None]},
    }
    schemas["PassReview"]["required"] = ["review"]
    _narrow_lists(found, facts)
    content = found["paths"][CAMERA]["put"]["requestBody"]["content"]
    content["application/json"]["schema"] = {"enum": [{"source": "push:"}]}
    found["paths"]["/v2/video/doors/{maker}"]["post"]["requestBody"]["content"] = {
        "application/json": {"schema": _milesight()}
    }
    return found


def _narrow_lists(found: dict[str, Any], facts: Facts) -> None:
    """What an expression would have to say is said by examples: hours, zones, plates, files."""
    schemas = found["components"]["schemas"]
    for name in ("ListRequest", "ListPatch", "EntryRequest", "EntryPatch", "PreviewRequest"):
        given = schemas[name]["properties"]
        examples: dict[str, list[Any]] = {
            "quiet_hours": ["daily 22:00-06:00", None], "hours": ["mon-fri 08:00-18:00", None],
            "time_zone": ["UTC", "Europe/Berlin"], "plate": ["AB12CD", "XY 34", "x-1"], "reads": ["kept"],
            "valid_from": ["2026-01-01T00:00:00Z", None], "valid_until": ["2027-01-01T00:00:00Z", None],
        }  # fmt: skip
        given |= {key: {"enum": values} for key, values in examples.items() if key in given}
    path = found["paths"]["/v2/video/lists/{name}/import"]["post"]
    path["requestBody"]["content"]["text/csv"]["schema"] = {
        "enum": ["plate\nAB1\n", "plate,name\nAB2,Ann\n"]
    }


def _values(facts: Facts, path: str, method: str) -> Mapping[str, Sequence[Any]]:
    clips = facts.deletable if (path, method) == (SEGMENT, "delete") else facts.clips
    if path.startswith(f"{SEGMENT}{PIECE}") or path.endswith(".m3u8"):
        clips = [facts.streamed]
    values: dict[str, Sequence[Any]] = {
        "segment_id": clips, "detection_id": [facts.detection], "pass_id": facts.passes,
        "name": facts.names, "tz": ["UTC", "Europe/Berlin"], "overlay": [False], "original": [True],
        "share_id": facts.shares, "platereel_shared": [facts.shared],
        "maker": ["milesight"], "confidence": [0.9], "from_ms": [facts.piece[0]], "to_ms": [facts.piece[1]],
    }  # fmt: skip
    if path.endswith("/timeline"):  # at most 31 days, which no description can say
        values = {**values, "from": ["2026-11-01T00:00:00Z"], "to": ["2026-11-25T18:00:00.5Z"]}
    if path.endswith("/erase"):  # what others ask for stays
        values = {**values, "plate": ["NOBODY"]}
    if "/lists/{name}" in path:
        last = (path, method) == ("/v2/video/lists/{name}", "delete")
        lists = facts.lists[1:] if last else facts.lists[:1]
        values = {**values, "name": lists, "entry_id": facts.entries}
    if "{camera_id}" in path or path.endswith(
        (
            "detection/{detection_id}",
            "detections/{detection_id}",
            "/plate-recognizer",
            "/doors/{maker}",
        )
    ):
        values["camera_id"] = [facts.camera]
    if (
        path == CAMERA
    ):  # one of no file: it is made, and of one that is gone a protected clip is left
        values["camera_id"] = ["made" if method == "put" else facts.gone]
    return values


def _plate_recognizer(camera: str) -> dict[str, Any]:
    result = {
        "type": "object", "required": ["plate", "score"], "additionalProperties": False,
        "properties": {
            "plate": {"type": "string", "pattern": "^[A-Z0-9]{2,9}$"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
        },
    }  # fmt: skip
    data = {
        "type": "object", "required": ["camera_id", "results"], "additionalProperties": False,
        "properties": {
            "camera_id": {"enum": [camera]}, "results": {"type": "array", "minItems": 1, "maxItems": 3, "items": result}
        },
    }  # fmt: skip
    return {
        "type": "object",
        "required": ["data"],
        "additionalProperties": False,
        "properties": {"data": data},
    }


def _milesight() -> dict[str, Any]:
    """One maker's message, which stands for all: their doors share a route."""
    return {
        "type": "object", "required": ["plate", "confidence"], "additionalProperties": False,
        "properties": {
            "plate": {"type": "string", "pattern": "^[A-Z0-9]{2,9}$"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
    }  # fmt: skip


def answers(report: Path, operations: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """How often each operation was answered by which class, by the kind of the case: `positive
    2xx`. That a server is busy is no answer.
    """
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for label, kind, status in _cases(report):
        method, path = label.split(" ", 1)
        if method.lower() in operations.get(path, {}) and status != SERVICE_UNAVAILABLE:
            # A conflict says that it was well asked for and is there already, such as the name of a
            # key.
            found[label][f"{kind} {status if status == CONFLICT else f'{status // 100}xx'}"] += 1
    return {label: dict(counted) for label, counted in found.items()}


def _cases(report: Path) -> Iterator[tuple[str, str, int]]:
    for line in report.read_text(encoding="utf-8").splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for case_id, case in recorder.get("cases", {}).items():
            value, interaction = case["value"], recorder["interactions"].get(case_id) or {}
            # Cases that a check made of another one, such as the same without a key, have parents.
            if interaction.get("response") and case.get("parent_id") is None:
                kind = (value.get("meta") or {}).get("generation", {}).get("mode", "other")
                yield (
                    f"{value['method']} {value['path']}",
                    kind,
                    interaction["response"]["status_code"],
                )
