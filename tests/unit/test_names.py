"""What may be a name: in the configuration, in messages, of keys and of files."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.errors import BadInput
from shared.domain.names import CAMERA_ID, DETECTION_ID, KEY_NAME, PLAIN_NAME
from shared.runtime.configuration import ConfigurationError, load
from shared.wire.api.access import KeyRequest
from shared.wire.clip_names import clip_name
from shared.wire.detections import parse_detection

PATTERNS = [(CAMERA_ID, 64, "A-Za-z0-9._-"), (DETECTION_ID, 128, "A-Za-z0-9._:-"), (KEY_NAME, 64, "A-Za-z0-9_.@-"),
            (PLAIN_NAME, 40, "A-Za-z0-9_.-")]  # fmt: skip
NOW = 1_800_000_000_000


@pytest.mark.parametrize(("pattern", "longest", "letters"), PATTERNS)
@given(st.data())
def test_names_are_letters_and_no_folders(
    pattern: re.Pattern[str], longest: int, letters: str, data: st.DataObject
) -> None:
    name = data.draw(
        st.from_regex(f"[{letters}]{{1,{longest + 3}}}", fullmatch=True)
        | st.sampled_from([".", "..", "..."])
    )
    assert bool(pattern.fullmatch(name)) is (len(name) <= longest and name not in {".", ".."})
    assert not pattern.fullmatch(f"{name}\n")
    assert not pattern.fullmatch(f"{name[:5]}/")


@pytest.mark.parametrize("name", [".", ".."])
def test_folders_are_refused_wherever_a_name_is_given(name: str) -> None:
    with pytest.raises(BadInput, match="camera_id"):
        parse_detection({"camera_id": name, "confidence": 1}, arrival_ms=NOW, entry_id="1-0")
    with pytest.raises(BadInput, match="detection_id"):
        parse_detection(
            {"camera_id": "a", "confidence": 1, "detection_id": name},
            arrival_ms=NOW,
            entry_id="1-0",
        )
    for wrong in ({"name": name}, {"name": "phone", "cameras": [name]}):
        with pytest.raises(ValidationError):
            KeyRequest.model_validate(wrong)
    assert KeyRequest.model_validate({"name": "a.b@c", "cameras": ["..."]}).cameras == ["..."]


TRUTH, NUMBER = (
    "YAML reads this as true or false; put it in quotes",
    "YAML reads this as a number; put it in quotes",
)
QUIRKS = [
    ("cameras:\n  on: {source: 'push:'}\n  no: {source: 'push:'}\n", f':2: cameras.on: {TRUTH}: "on"'),
    ("cameras:\n  on: {source: 'push:'}\n  no: {source: 'push:'}\n", f':3: cameras.no: {TRUTH}: "no"'),
    ("cameras:\n  007: {source: 'push:'}\n", f':2: cameras.007: {NUMBER}: "007"'),
    ("cameras:\n  101: {source: 'push:'}\n", f':2: cameras.101: {NUMBER}: "101"'),
    ("cameras:\n  12:30: {source: 'push:'}\n", f':2: cameras.12:30: {NUMBER}: "12:30"'),
    ("cameras:\n  1.10: {source: 'push:'}\n", f':2: cameras.1.10: {NUMBER}: "1.10"'),
    ("cameras:\n  2024-01-02: {source: 'push:'}\n", ":2: cameras.2024-01-02: YAML reads this as a date; put it in"),
    ("cameras:\n  ~: {source: 'push:'}\n", ':2: cameras.~: YAML reads this as nothing at all; put it in quotes: "~"'),
    ("cameras:\n  2024-13-45: {source: 'push:'}\n", ":2: cameras.2024-13-45: YAML reads this as a date"),
    ("on: 1\n", f":1: on: {TRUTH}"),
    ("cameras:\n  ? [a]\n  : {source: 'push:'}\n", ":2: cameras.?: a name is text"),
    ("cameras:\n  a: {source: 'push:'}\n  ..: {source: 'push:'}\n", ":3: cameras...: '..': use 1-64"),
    ("cameras:\n  a: {source: 'push:'}\n  .: {source: 'push:'}\n", ":3: cameras..: '.': use 1-64"),
    ("cameras:\n  a: {source: 'push:'}\n  ../etc: {source: 'push:'}\n", ":3: cameras.../etc: '../etc': use 1-64"),
    ("retention:\n  classes:\n  - {name: no, plates: [AB1]}\n", f':3: retention.classes.0.name: {TRUTH}: "no"'),
    ("retention:\n  classes:\n  - {name: x, plates: [AB1,\n    007]}\n", f":4: retention.classes.0.plates.1: {NUMBER}"),
    ("retention:\n  classes:\n  - {name: .., plates: [AB1]}\n", ":3: retention.classes.0.name: "),
    ("webhooks:\n- {name: .., url: 'http://h/x', secret: 1234567890abcdef}\n", ":2: webhooks.0.name: "),
    ("cameras: &a [*a]\n", "cameras.0: refers to itself"),
    ("cameras: &a {b: *a}\n", "cameras.b: refers to itself"),
    ("[" * 700, "nested too deeply"),
    ("a: !!int x\n", "a number that does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), QUIRKS, ids=range(len(QUIRKS)))
def test_what_yaml_makes_something_else_of_is_told_as_it_is_written(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert any(said in problem for problem in caught.value.problems), caught.value.problems


def test_a_secret_that_yaml_makes_a_number_of_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "platereel.yaml"
    webhook = "webhooks:\n- {name: w, url: 'http://h/x', secret: 1234567890123456}\n"
    path.write_text(f"{webhook}cameras:\n  a: {{source: 987654}}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert "webhooks.0.secret: YAML reads this as a number; put it in quotes" in str(caught.value)
    assert not re.search("123456|987654", str(caught.value))


def test_quoted_names_and_anchors_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(
        "cameras:\n  'on': &c {source: 'push:', fps: 10}\n  \"007\": {<<: *c, fps: 5}\n  a.b: *c\n"
    )
    assert list(load(path, {}).cameras) == ["on", "007", "a.b"]


@pytest.mark.parametrize(
    ("plates", "name"),
    [
        (["AB 123"], "gate-1_2026-11-26T10-00-00Z_AB123"),
        (["AB-123-CD", "ab 123 cd", "9jub11"], "gate-1_2026-11-26T10-00-00Z_AB123CD_9JUB11"),
        (["A", "B", "C", "D"], "gate-1_2026-11-26T10-00-00Z_A_B_C"),
        (["ÖA·123", "../x", "", "京A12345", "A\n1", "X"], "gate-1_2026-11-26T10-00-00Z_X"),
        ([], "gate-1_2026-11-26T10-00-00Z"),
    ],
)
def test_a_clip_is_called_by_its_plates_in_their_normal_form(plates: list[str], name: str) -> None:
    assert clip_name("gate-1", datetime(2026, 11, 26, 10, tzinfo=UTC), plates) == name
