"""HLS: a recording plays while it is made, and under the same addresses after its parts are
gone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from shared.domain.codec import Codec
from shared.domain.policy import RecordingPolicy
from tests.support.h264 import FPS, as_frames, coded
from tests.support.numbers import numbers_of_clip
from tests.support.recordings import accept, finish, offer_parts
from tests.support.world import LIMITS, POLICY, World
from workers.retention.parts import PartsPorts, settle
from workers.writer.write_part import write_part


def playlist(api: TestClient, segment_id: UUID) -> Any:
    return api.get(f"/v2/video/segments/{segment_id}/stream.m3u8")


def play(
    api: TestClient, segment_id: UUID, text: str, folder: Path
) -> tuple[list[int | None], list[float]]:
    """What a player sees: headers and fragments in their order."""
    base = f"/v2/video/segments/{segment_id}"
    names = re.findall(r'URI="([^"]+)"', text)[:1] + [
        line for line in text.splitlines() if line.endswith(".m4s")
    ]
    data = b""
    for name in names:
        answer = api.get(f"{base}/{name}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "video/mp4"
        data += answer.content
    path = folder / "played.mp4"
    path.write_bytes(data)
    return numbers_of_clip(path)


def test_it_plays_while_it_is_made_and_after(world: World, api: TestClient, tmp_path: Path) -> None:
    world.film("cam", 0, 12.5)
    (segment_id,) = accept(world, "cam", 10, "d1")
    early = playlist(api, segment_id)
    assert early.status_code == 409
    assert early.headers["Retry-After"]
    world.pacing.advance("cam", world.base_ms + 12_500, silent=False)
    for part_id, offer in offer_parts(world):
        assert write_part(part_id, offer, world.writer) == "done"
    live = playlist(api, segment_id)
    assert live.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in live.text
    assert "#EXT-X-ENDLIST" not in live.text
    numbers, times = play(api, segment_id, live.text, tmp_path)
    assert numbers == list(range(80, 120))
    assert times[0] == pytest.approx(0, abs=0.001)

    world.film("cam", 12.5, 30, first=125)
    finish(world, "cam")
    assert world.status(segment_id) == "ready"
    ended = playlist(api, segment_id).text
    assert ended.endswith("#EXT-X-ENDLIST\n")
    assert ended.count(".m4s") == 4
    seen = play(api, segment_id, ended, tmp_path)
    assert seen[0] == list(range(80, 140))

    settle(PartsPorts(rows=world.consistency, store=world.store, kept_s=0))
    assert world.database.fetch("SELECT FROM segment_parts") == []
    assert playlist(api, segment_id).text == ended
    assert play(api, segment_id, ended, tmp_path) == seen
    assert api.get(f"/v2/video/segments/{segment_id}/hls/0-999.m4s").status_code == 404
    world.segments.archive(segment_id, "me")
    assert playlist(api, segment_id).status_code == 410


def test_a_copied_recording_plays_while_it_is_made(
    world: World, api: TestClient, tmp_path: Path
) -> None:
    """Its first part is decoded from a keyframe before the window, which no player shows."""
    policy = replace(POLICY, codec=Codec.COPY, fps=FPS, capture_fps=FPS)
    packets = as_frames(coded(range(100, 190), 20), world.base_ms + 6_667)
    world.packets.append(packets, {"cam": LIMITS})
    (answer,) = world.detections.accept([world.detection("cam", 10, "d1")], None, policy)
    (segment_id,) = answer.segment_ids
    world.pacing.advance("cam", world.base_ms + 12_500, silent=False)
    for part_id, offer in offer_parts(world):
        assert write_part(part_id, offer, world.writer) == "done"
    live = playlist(api, segment_id)
    assert "#EXT-X-ENDLIST" not in live.text
    assert play(api, segment_id, live.text, tmp_path)[0] == list(range(120, 180))


def test_a_missing_part_is_a_gap(world: World, api: TestClient, tmp_path: Path) -> None:
    world.film("cam", 0, 10)
    world.film("cam", 12, 30, first=120)
    (segment_id,) = accept(world, "cam", 10, "d1")
    finish(world, "cam")
    text = playlist(api, segment_id).text
    assert text.count("#EXT-X-GAP") == 1
    gap = text.splitlines()[text.splitlines().index("#EXT-X-GAP") + 2]
    assert api.get(f"/v2/video/segments/{segment_id}/{gap}").status_code == 404
    numbers, times = play(api, segment_id, text.replace(gap, ""), tmp_path)
    assert numbers == [*range(80, 100), *range(120, 140)]
    assert times[20] - times[19] == pytest.approx(2.1, abs=0.002)
    settle(PartsPorts(rows=world.consistency, store=world.store, kept_s=0))
    after = playlist(api, segment_id).text
    assert play(api, segment_id, after, tmp_path) == (numbers, times)


def test_what_players_cannot_take_is_told(world: World, api: TestClient) -> None:
    world.film("cam", 0, 30)
    policy = RecordingPolicy(**{**POLICY.to_json(), "codec": "mjpeg"})
    (answer,) = world.detections.accept([world.detection("cam", 10, "d1")], None, policy)
    finish(world, "cam")
    refused = playlist(api, answer.segment_ids[0])
    assert refused.status_code == 409
    assert "mjpeg" in refused.json()["detail"]
