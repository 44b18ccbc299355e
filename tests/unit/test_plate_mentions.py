"""A plate in texts: found as a word in any spelling, and in nothing that only looks like it."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.plate_mentions import ERASED, PlateMentions
from shared.domain.plates import plate_key


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("AB123CD", ERASED),
        ("ab-123 cd", ERASED),
        (" AB·123·CD ", ERASED),
        ("who is AB123CD?\nab 123 cd!", f"who is {ERASED}?\n{ERASED}!"),
        ("XAB123CD", "XAB123CD"),
        ("AB123CDE and AB123C", "AB123CDE and AB123C"),
        ("", ""),
    ],
)
def test_a_plate_is_taken_from_a_text(text: str, left: str) -> None:
    assert PlateMentions("Ab 123-CD").without(text) == left


def test_ids_times_and_numbers_stay() -> None:
    mentions = PlateMentions("2026")
    kept = {
        "from": "2026-11-25T18:00:00Z",
        "bytes": "2026",
        "n": 2026,
        "other": str(UUID("01980a52-2026-7000-8000-000000000000")),
        "none": None,
    }
    assert mentions.without(kept) == kept
    asked = {"plate": "20-26", "notes": ["2026", {"a": "b 2026"}]}
    assert mentions.without(asked) == {"plate": ERASED, "notes": [ERASED, {"a": f"b {ERASED}"}]}


@given(
    st.text(min_size=1, max_size=12).filter(plate_key), st.text(max_size=20), st.text(max_size=20)
)
def test_any_plate_is_taken_from_any_text(plate: str, before: str, after: str) -> None:
    """What is left is JSON still, and says the plate no more, unless the letters were of a longer
    word.
    """
    mentions = PlateMentions(plate)
    left = mentions.without({"a": f"{before} {mentions.key} {after}", "b": plate})
    assert json.loads(json.dumps(left)) == left
    assert left["b"] == ERASED
    assert ERASED in left["a"]
