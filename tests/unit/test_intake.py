"""The intake alone: whatever comes to any door, its neighbours are recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.intake import MOST_TRIES, TRIES_TOGETHER, Intake, IntakePorts
from services.dispatch.policies import Policies
from shared.domain.errors import Conflict, Retryable
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, CameraBatch, DetectionDelivery, PendingPage
from tests.support.twins import MemoryFrames, SimulatedClock

NOW = 1_800_000_000_000


@dataclass
class Stream:
    """A stream of which every message is read once, unless it is put off."""

    waiting: list[DetectionDelivery] = field(default_factory=list)
    acked: list[str] = field(default_factory=list)
    put_offs: list[tuple[str, int]] = field(default_factory=list)
    rejected: list[tuple[str, bytes, str]] = field(default_factory=list)
    full: bool = False

    def add(self, fields: Mapping[bytes, bytes], tries: int = 0) -> str:
        entry_id = f"{NOW + len(self.waiting)}-0"
        self.waiting.append(DetectionDelivery(entry_id, fields, tries))
        return entry_id

    def good(self, name: str, camera: str = "cam", **change: Any) -> str:
        body = {
            "detection_id": name,
            "camera_id": camera,
            "confidence": 0.9,
            "captured_at": NOW / 1000,
        } | change
        return self.add({b"json": json.dumps(body).encode()})

    def read(self, count: int, block_s: float) -> list[DetectionDelivery]:
        return self.waiting

    def ack(self, entry_ids: Sequence[str]) -> None:
        self.acked += entry_ids

    def put_off(self, entry_ids: Sequence[str], tries: int = 0) -> None:
        self.put_offs += [(entry_id, tries) for entry_id in entry_ids]

    def reject(self, entry_id: str, payload: bytes, reason: str) -> None:
        if self.full:
            raise Retryable("the broker Redis is at its maxmemory")
        reason.encode()
        self.rejected.append((entry_id, payload, reason))

    def publish(self, payload: bytes) -> str:
        return self.add({b"json": payload})


@dataclass
class Rows:
    """Stores everything but what it is told to refuse."""

    refuse: Mapping[str, Exception] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    rejected_of: list[str] = field(default_factory=list)
    page: PendingPage = field(default_factory=lambda: PendingPage(()))
    reused: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    away: bool = False
    commits: int = 0
    asked: list[int] = field(default_factory=list)

    def accept(self, detections: Sequence[Detection], *_: object, **__: object) -> list[Accepted]:
        for detection in detections:
            if detection.detection_id in self.refuse:
                raise self.refuse[detection.detection_id]
        self.recorded += [detection.detection_id for detection in detections]
        return [
            Accepted(DetectionOutcome.REJECTED, (), "id_reused")
            if detection.detection_id in self.reused
            else Accepted(DetectionOutcome.RECORDED, ())
            for detection in detections
        ]

    def accept_all(self, batches: Sequence[CameraBatch]) -> dict[str, list[Accepted]]:
        """Nothing of a camera that is busy; nothing at all where one raises."""
        before, answers = list(self.recorded), {}
        try:
            for batch in batches:
                if batch.camera_id not in self.busy:
                    answers[batch.camera_id] = self.accept(batch.detections)
        except Exception:
            self.recorded[:] = before
            raise
        self.commits += 1
        return answers

    def stored(self, camera_id: str, detection_id: str) -> Detection | None:
        if self.away:
            raise Retryable("the database does not answer")
        if detection_id == "broken":
            raise TypeError("the row is no detection")
        return Detection(detection_id, camera_id, NOW, 0.9) if detection_id == "kept" else None

    def stored_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Detection]:
        self.asked.append(len(keys))
        if self.away:
            raise Retryable("the database does not answer")
        if "broken" in [detection_id for _, detection_id in keys]:
            raise TypeError("a row is no detection")
        return {key: Detection(key[1], key[0], NOW, 0.9) for key in keys if key[1] != "gone"}

    def reject(self, camera_id: str, detection_id: str, reason: str) -> None:
        self.rejected.append(detection_id)
        self.rejected_of.append(camera_id)

    def pending(self, *_: object) -> PendingPage:
        return self.page


@dataclass
class Channel:
    """Says these payloads."""

    heard: list[bytes] = field(default_factory=list)
    forwarded: list[bytes] = field(default_factory=list)

    def listen(self, timeout_s: float) -> list[bytes]:
        return self.heard

    def forward(self, payload: bytes) -> bool:
        self.forwarded.append(payload)
        return True

    def claim(self, payload: bytes) -> bool:
        return True


@dataclass
class Bench:
    stream: Stream = field(default_factory=Stream)
    rows: Rows = field(default_factory=Rows)
    channel: Channel = field(default_factory=Channel)
    frames: MemoryFrames = field(init=False)
    woken: int = 0

    def __post_init__(self) -> None:
        self.follow(tuple)

    def follow(self, new: Callable[[], Collection[str]]) -> None:
        """Begin with two cameras, and learn of new ones so."""
        clock = SimulatedClock()
        self.frames = frames = MemoryFrames(clock)
        configured = {"cam": RecordingPolicy(), "other": RecordingPolicy()}
        policies = Policies(configured, new=new)
        self.intake = Intake(
            IntakePorts(
                stream=cast("Any", self.stream),
                channel=self.channel,
                rows=cast("Any", self.rows),
                frames=frames,
                holds=frames,
                clock=clock,
                policies=policies,
                recorded=self.wake,
            )
        )

    def wake(self) -> None:
        self.woken += 1


JSON_OF_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["camera_id", "confidence", "captured_at", "bbox", "plate", "attributes", "detection_id"])
        | st.text(st.characters(), max_size=3),
        inner, max_size=5,
    ),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())  # fmt: skip
ANY_FIELDS = st.dictionaries(
    st.sampled_from(
        [b"json", b"hint", b"camera_id", b"confidence", b"captured_at", b"bbox", b"attributes"]
    )
    | st.binary(max_size=4),
    st.binary(max_size=40) | JSON_OF_ANYTHING,
    min_size=1,
    max_size=4,
)


@given(st.lists(ANY_FIELDS, max_size=4))
def test_any_bytes_in_the_stream_leave_their_neighbours_alone(
    strangers: list[dict[bytes, bytes]],
) -> None:
    bench = Bench()
    bench.stream.good("before")
    for fields in strangers:
        bench.stream.add(fields)
    bench.stream.good("after", "other")
    bench.intake.read_stream(0)
    assert {"before", "after"} <= set(bench.rows.recorded)
    assert sorted(bench.stream.acked) == sorted(
        delivery.entry_id for delivery in bench.stream.waiting
    )


def _body(**change: object) -> bytes:
    return json.dumps({"camera_id": "cam", "confidence": 0.9} | change).encode()


def _deep(opening: bytes, closing: bytes, depth: int) -> bytes:
    return (
        b'{"camera_id":"cam","confidence":0.9,"attributes":{"a":'
        + opening * depth
        + closing * depth
        + b"}}"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {b"json": _body(captured_at="0001-01-01T00:00:00+01:00")},
        {b"json": _body(captured_at="9999-12-31T23:59:59-01:00")},
        {b"json": _deep(b"[", b"]", 20_000)},
        {b"json": _deep(b'{"b":', b"}", 9_000)},
        {b"json": _deep(b"[", b"]", 900)},
        {b"json": b"[" * 60_000},
        {b"camera_id": b"cam", b"confidence": b"1", b"attributes": b"[" * 20_000},
        {b"camera_id": b"cam", b"confidence": b"1", b"captured_at": b"0001-01-01T00:00:00+14:00"},
        {b"camera_id": b"cam", b"confidence": b"1", b"plate": b"x" * 100_000},
        {b"hint": b"a\x00b"},
        {b"hint": b"\xff\xfe"},
        {b"hint": b"d1"},
        {b"hint": b"d1", b"camera": b"../x"},
        {b"json": _body(attributes={"a": "\ud800"})},
        {b"json": _body(attributes={"\udfff": 1})},
        {b"json": b'{"camera_id":"cam","confidence":0.9,"\\ud800":1}'},
        {b"json": _body(attributes={"a": float("inf")})},
        {b"json": b'{"camera_id":"cam","confidence":0.9,"attributes":{"a":1e999}}'},
        {
            b"json": b'{"camera_id":"cam","confidence":0.9,"attributes":{"a":1'
            + b"0" * 4_000
            + b"}}"
        },
        {
            b"json": b'{"camera_id":"cam","confidence":0.9,"attributes":{"a":1'
            + b"0" * 5_000
            + b"}}"
        },
        {b"json": b'{"camera_id":"cam","confidence":0.9,"captured_at":1' + b"0" * 4_000 + b"}"},
    ],
)
def test_an_impossible_message_is_one_dead_letter(fields: dict[bytes, bytes]) -> None:
    bench = Bench()
    for n in range(3):
        bench.stream.good(f"good{n}")
    bad = bench.stream.add(fields)
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["good0", "good1", "good2"]
    assert [(entry, reason != "") for entry, _, reason in bench.stream.rejected] == [(bad, True)]
    assert bad in bench.stream.acked


@pytest.mark.parametrize(
    "error",
    [Conflict("no"), ValueError("x"), OverflowError(), RecursionError(), KeyError("\ud800")],
)
def test_whatever_storing_one_raises_the_others_of_its_camera_are_recorded(
    error: Exception,
) -> None:
    bench = Bench(rows=Rows(refuse={"bad": error}))
    for name in ("first", "bad", "last"):
        bench.stream.good(name)
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["first", "last"]
    assert bench.rows.rejected == ["bad"]
    assert len(bench.stream.rejected) == 1
    assert len(bench.stream.acked) == 3


def test_a_batch_of_many_cameras_is_one_commit() -> None:
    bench = Bench()
    for n in range(6):
        bench.stream.good(f"d{n}", ("cam", "other")[n % 2])
    bench.intake.read_stream(0)
    assert bench.rows.commits == 1
    assert sorted(bench.rows.recorded) == [f"d{n}" for n in range(6)]
    assert len(bench.stream.acked) == 6


def test_a_camera_whose_windows_somebody_changes_is_waited_for_after_the_others() -> None:
    bench = Bench(rows=Rows(busy=frozenset({"cam"})))
    bench.stream.good("first")
    bench.stream.good("second", "other")
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["second", "first"]
    assert len(bench.stream.acked) == 2


@pytest.mark.parametrize("error", [Conflict("no"), ValueError("x"), KeyError("\ud800")])
def test_whatever_storing_one_raises_other_cameras_are_recorded(error: Exception) -> None:
    bench = Bench(rows=Rows(refuse={"bad": error}))
    for name, camera in (("first", "cam"), ("bad", "cam"), ("second", "other")):
        bench.stream.good(name, camera)
    bench.intake.read_stream(0)
    assert sorted(bench.rows.recorded) == ["first", "second"]
    assert bench.rows.rejected == ["bad"]
    assert len(bench.stream.acked) == 3


def test_who_tells_of_events_is_woken_when_they_are_stored() -> None:
    bench = Bench(rows=Rows(refuse={"later": Retryable("away")}))
    bench.stream.good("later")
    bench.intake.read_stream(0)
    assert bench.woken == 0
    bench.stream.waiting.clear()
    bench.stream.good("now")
    bench.intake.read_stream(0)
    assert bench.woken == 1


def test_what_cannot_be_stored_now_is_put_off_and_that_is_no_try() -> None:
    bench = Bench(rows=Rows(refuse={"later": Retryable("away")}))
    later = bench.stream.good("later")
    bench.stream.good("now", "other")
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["now"]
    assert bench.stream.put_offs == [(later, 0)]
    assert later not in bench.stream.acked


def test_the_rows_of_all_hints_are_asked_for_at_once() -> None:
    bench = Bench()
    for name in (b"d1", b"gone", b"d2"):
        bench.stream.add({b"hint": name, b"camera": b"cam"})
    bench.stream.add({b"hint": b"d3", b"camera": b"unknown"})
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["d1", "d2"]
    assert bench.rows.asked == [3]
    assert len(bench.stream.acked) == 4


def test_a_hint_of_a_row_that_is_no_detection_leaves_its_neighbours_alone() -> None:
    bench = Bench()
    for name in (b"kept", b"broken"):
        bench.stream.add({b"hint": name, b"camera": b"cam"})
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["kept"]
    assert len(bench.stream.rejected) == 1
    assert len(bench.stream.acked) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_hints_that_cannot_be_looked_up_now_hold_up_nothing(count: int) -> None:
    bench = Bench(rows=Rows(away=True))
    hints = [bench.stream.add({b"hint": b"d1", b"camera": b"cam"}) for _ in range(count)]
    bench.stream.good("good")
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["good"]
    assert bench.stream.put_offs == [(hint, 0) for hint in hints]


def test_where_dead_letters_have_no_room_the_message_waits_and_its_neighbours_do_not() -> None:
    bench = Bench(stream=Stream(full=True))
    bad = bench.stream.add({b"json": b"nothing"})
    bench.stream.good("good")
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["good"]
    assert bench.stream.put_offs == [(bad, 0)]


def test_a_message_that_was_often_read_and_never_settled_is_tried_alone_then_given_up() -> None:
    """It may be what ended its readers: only its own count rises, and at last it is a dead
    letter.
    """
    bench = Bench()
    body = b'{"camera_id":"cam","confidence":0.9,"detection_id":"%s"}'
    suspect = bench.stream.add({b"json": body % b"suspect"}, tries=TRIES_TOGETHER)
    hopeless = bench.stream.add({b"json": body % b"hopeless"}, tries=MOST_TRIES)
    bench.intake.read_stream(0)
    together = [(suspect, TRIES_TOGETHER), (hopeless, TRIES_TOGETHER)]
    assert [each for each in bench.stream.put_offs if each[1]] == [
        *together, (suspect, TRIES_TOGETHER + 1), (hopeless, MOST_TRIES + 1),
    ]  # fmt: skip
    assert bench.rows.recorded == ["suspect"]
    ((entry, _, reason),) = bench.stream.rejected
    assert entry == hopeless
    assert "never settled" in reason
    assert sorted(bench.stream.acked) == sorted([suspect, hopeless])


def test_one_id_for_two_times_in_one_batch_is_told_and_another_cameras_is_its_own() -> None:
    bench = Bench()
    bench.stream.good("1")
    bench.stream.good("1", "other")
    again = bench.stream.good("1")
    earlier = bench.stream.good("1", captured_at=NOW / 1000 - 1)
    bench.intake.read_stream(0)
    assert bench.rows.recorded == ["1", "1"]
    assert [(entry, "id_reused" in reason) for entry, _, reason in bench.stream.rejected] == [
        (earlier, True)
    ]
    assert again in bench.stream.acked
    assert len(bench.stream.acked) == 4


def test_one_id_for_two_times_in_two_batches_is_told() -> None:
    bench = Bench(rows=Rows(reused=frozenset({"1"})))
    bench.stream.good("1")
    bench.intake.read_stream(0)
    ((_, payload, reason),) = bench.stream.rejected
    assert "id_reused" in reason
    assert json.loads(payload)["detection_id"] == "1"


def test_a_pending_row_that_is_no_detection_holds_up_nothing() -> None:
    good = Detection("good", "cam", NOW, 0.9)
    gone = Detection("gone", "removed", NOW, 0.9)
    bad = Detection("bad", "other", NOW, 0.9)
    page = PendingPage((gone, bad, good), None, (("cam", "broken"),))
    bench = Bench(rows=Rows(page=page, refuse={"bad": OverflowError()}))
    bench.intake.read_pending()
    assert bench.rows.recorded == ["good"]
    assert bench.rows.rejected == ["broken", "gone", "bad"]


def test_what_pubsub_says_is_bounded() -> None:
    bench = Bench(channel=Channel([b"x" * 70_000, b"{}"]))
    assert bench.intake.read_channel(0) == 2
    assert len(bench.stream.rejected) == 1
    assert bench.channel.forwarded == [b"{}"]


def test_a_detection_called_like_a_segment_leaves_the_segments_hold_alone() -> None:
    bench = Bench()
    segment_id = "550e8400-e29b-41d4-a716-446655440000"
    bench.frames.hold("cam", {segment_id: NOW - 5_000})
    bench.stream.good(segment_id)
    bench.intake.read_stream(0)
    assert bench.rows.recorded == [segment_id]
    assert bench.frames.holds("cam") == {segment_id: NOW - 5_000}


def test_a_detection_of_a_camera_that_was_just_made_is_not_rejected() -> None:
    bench, looks = Bench(), [0]

    def new() -> set[str]:
        looks[0] += 1
        return {"made"}

    bench.follow(new)
    fresh = bench.stream.good("a", camera="made")
    strangers = [bench.stream.good(f"{n}", camera="stranger") for n in range(3)]
    bench.rows.page = PendingPage(
        tuple(Detection("row", camera, NOW, 0.9) for camera in ("made", "stranger"))
    )
    bench.intake.read_stream(0.0)
    assert bench.stream.acked == strangers
    assert bench.stream.put_offs == [(fresh, 0)]
    assert looks == [1]
    assert bench.intake.read_pending() == 0
    assert bench.rows.rejected_of == ["stranger"]


def test_a_stranger_is_rejected_only_when_somebody_can_say() -> None:
    bench = Bench()

    def new() -> set[str]:
        raise Retryable("the database does not answer")

    bench.follow(new)
    entry = bench.stream.good("a", camera="stranger")
    bench.intake.read_stream(0.0)
    assert (bench.stream.acked, bench.stream.put_offs) == ([], [(entry, 0)])
