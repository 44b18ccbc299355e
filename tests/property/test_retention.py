"""Retention never takes what it must not."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retention import DAY_MS, Clip, RetentionPolicy, RetentionRule, decide

NOW = 1_800_000_000_000
clips = st.lists(
    st.builds(
        Clip,
        segment_id=st.uuids(),
        camera_id=st.sampled_from(["a", "b"]),
        end_ms=st.integers(NOW - 100 * DAY_MS, NOW + DAY_MS),
        size_bytes=st.integers(1, 1000),
        protected=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda c: c.segment_id,
)
rules = st.builds(RetentionRule, st.none() | st.floats(0, 90), st.none() | st.integers(0, 5000))
policies = st.builds(RetentionPolicy, rules, st.dictionaries(st.just("b"), rules))


def used(of: list[Clip]) -> dict[str, int]:
    return {camera: sum(c.size_bytes for c in of if c.camera_id == camera) for camera in {c.camera_id for c in of}}


@given(clips, policies)
def test_protected_clips_stay(of: list[Clip], policy: RetentionPolicy) -> None:
    gone = {v.segment_id for v in decide(of, policy, NOW, used(of))}
    assert not gone & {c.segment_id for c in of if c.protected}


@given(clips, policies)
def test_what_goes_by_age_is_old_enough_and_all_of_it_goes(of: list[Clip], policy: RetentionPolicy) -> None:
    verdicts = {v.segment_id: v for v in decide(of, policy, NOW, used(of))}
    for clip in of:
        days = policy.days_of(clip.camera_id)
        old = days is not None and NOW - clip.end_ms > days * DAY_MS
        verdict = verdicts.get(clip.segment_id)
        assert (verdict is not None and verdict.reason == "age") == (old and not clip.protected)


@given(clips, policies)
def test_bytes_end_below_the_limit_unless_only_protected_clips_are_left(
    of: list[Clip], policy: RetentionPolicy
) -> None:
    gone = {v.segment_id for v in decide(of, policy, NOW, used(of))}
    left = [c for c in of if c.segment_id not in gone]
    limit = policy.overall.max_bytes
    if limit is not None and any(not c.protected for c in left):
        assert sum(c.size_bytes for c in left) <= limit


@given(clips, policies)
def test_deciding_again_finds_nothing_more(of: list[Clip], policy: RetentionPolicy) -> None:
    gone = {v.segment_id for v in decide(of, policy, NOW, used(of))}
    left = [c for c in of if c.segment_id not in gone]
    assert decide(left, policy, NOW, used(left)) == []


def test_a_clip_that_ends_in_the_future_is_young() -> None:
    clip = Clip(UUID(int=1), "a", NOW + DAY_MS, 1, protected=False)
    assert decide([clip], RetentionPolicy(RetentionRule(0, None)), NOW, {"a": 1}) == []
