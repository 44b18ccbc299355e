"""Retention never takes what it must not."""

from __future__ import annotations

from itertools import groupby
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retention import (
    DAY_MS,
    Clip,
    ContentClass,
    Judge,
    RetentionPolicy,
    RetentionRule,
    Verdict,
)

NOW = 1_800_000_000_000
clips = st.lists(
    st.builds(
        Clip,
        segment_id=st.uuids(),
        camera_id=st.sampled_from(["a", "b"]),
        end_ms=st.integers(NOW - 100 * DAY_MS, NOW + DAY_MS),
        size_bytes=st.integers(0, 1000),
        protected=st.booleans(),
        plates=st.sampled_from([(), ("AB123",), ("XY 9-9",)]),
        labels=st.sampled_from([(), ("matched",)]),
    ),
    max_size=30,
    unique_by=lambda c: c.segment_id,
)
rules = st.builds(RetentionRule, st.none() | st.floats(0, 90), st.none() | st.integers(0, 5000))
classes = st.lists(
    st.builds(
        ContentClass,
        st.just("kept"),
        st.none() | st.floats(0, 200),
        st.sampled_from([(), ("ab*",), ("X?99",)]),
        st.sampled_from([None, "matched"]),
    ),
    max_size=2,
)
policies = st.builds(
    RetentionPolicy,
    overall=rules,
    cameras=st.dictionaries(st.just("b"), rules),
    classes=classes,
    free_bytes=st.just(None),
    min_days=st.floats(0, 50),
)
missing = st.integers(-100, 3000)


def used(of: list[Clip]) -> dict[str, int]:
    return {
        camera: sum(c.size_bytes for c in of if c.camera_id == camera)
        for camera in {c.camera_id for c in of}
    }


def judge_all(of: list[Clip], policy: RetentionPolicy, missing_bytes: int = 0) -> list[Verdict]:
    """As the cleanup does: age, then each camera's bytes, then what concerns all; clips of a class
    last.
    """
    judge = Judge(policy, NOW, used(of), missing_bytes)
    verdicts = judge.by_age(of)
    for last_resort in (False, True):
        for _, of_camera in groupby(
            sorted(of, key=lambda c: c.camera_id), key=lambda c: c.camera_id
        ):
            verdicts += judge.by_camera_bytes(list(of_camera), last_resort=last_resort)
        verdicts += judge.by_pressure(of, last_resort=last_resort)
    return verdicts


@given(clips, policies, missing)
def test_nothing_goes_that_must_stay(
    of: list[Clip], policy: RetentionPolicy, missing_bytes: int
) -> None:
    verdicts = judge_all(of, policy, missing_bytes)
    clip_of = {c.segment_id: c for c in of}
    assert len({v.segment_id for v in verdicts}) == len(verdicts)
    for verdict in verdicts:
        clip = clip_of[verdict.segment_id]
        assert not clip.protected
        if verdict.reason != "age":
            assert NOW - clip.end_ms >= policy.min_days * DAY_MS
            assert clip.size_bytes > 0, "what frees nothing stays"


@given(clips, policies)
def test_what_goes_by_age_is_old_enough_and_all_of_it_goes(
    of: list[Clip], policy: RetentionPolicy
) -> None:
    verdicts = {v.segment_id: v for v in judge_all(of, policy)}
    for clip in of:
        days = policy.days_for(clip)
        old = days is not None and NOW - clip.end_ms > days * DAY_MS
        verdict = verdicts.get(clip.segment_id)
        assert (verdict is not None and verdict.reason == "age") == (old and not clip.protected)


@given(clips, policies, missing)
def test_pressure_ends_unless_only_what_must_stay_is_left(
    of: list[Clip], policy: RetentionPolicy, missing_bytes: int
) -> None:
    verdicts = judge_all(of, policy, missing_bytes)
    gone = {v.segment_id for v in verdicts}
    left = [c for c in of if c.segment_id not in gone]
    may_go = [
        c for c in left if not c.protected and c.size_bytes and NOW - c.end_ms >= policy.min_days * DAY_MS
    ]  # fmt: skip
    if may_go:
        limit = policy.overall.max_bytes
        assert limit is None or sum(c.size_bytes for c in left) <= limit
        assert sum(v.size_bytes for v in verdicts) >= missing_bytes


@given(clips, policies)
def test_deciding_again_finds_nothing_more(of: list[Clip], policy: RetentionPolicy) -> None:
    gone = {v.segment_id for v in judge_all(of, policy)}
    left = [c for c in of if c.segment_id not in gone]
    assert judge_all(left, policy) == []


def test_a_class_is_kept_longer_and_goes_last() -> None:
    policy = RetentionPolicy(
        RetentionRule(30, 150), classes=[ContentClass("watched", 365, ("AB 1?3*",))]
    )
    plain = Clip(UUID(int=1), "a", NOW - 5 * DAY_MS, 100, protected=False, plates=("CD456",))
    watched = Clip(UUID(int=2), "a", NOW - 90 * DAY_MS, 100, protected=False, plates=("ab-123x",))
    judge = Judge(policy, NOW, {"a": 200})
    assert judge.by_age([watched, plain]) == []
    assert [v.segment_id for v in judge.by_pressure([watched, plain])] == [plain.segment_id]
    assert Judge(policy, NOW + 300 * DAY_MS, {"a": 200}).by_age([watched])[0].reason == "age"


@pytest.mark.parametrize("days", [None, 0.0])
def test_a_clip_that_ends_in_the_future_is_young(days: float | None) -> None:
    clip = Clip(UUID(int=1), "a", NOW + DAY_MS, 1, protected=False)
    assert judge_all([clip], RetentionPolicy(RetentionRule(days, None))) == []
