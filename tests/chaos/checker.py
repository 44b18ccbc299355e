"""Holds a quiet site against its promises. Shares no code with what it checks: own SQL, own
listing, own decoder.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from minio import Minio

from tests.chaos.history import Entry
from tests.chaos.site import POLICY, Site
from tests.support.numbers import read_number

BUFFER_S, POST_S = float(POLICY["buffer_seconds"]), float(POLICY["post_event_seconds"])
SLIVER_S = 1.0  # less than this beside footage that there is gets no clip of its own
# A process that a busy machine starves gives its camera up when its lease of three seconds is over;
# the next one looks every second.
HAND_OVER_S = 5.0
SLACK_FRAMES = 1  # a picture on the edge of a window or a gap may fall on either side
LIVE = {"recording", "finalizing"}


@dataclass
class Verdict:
    """What a check found; the counts are those of the table, `problems` says each in words."""

    accepted: int = 0
    lost: int = 0
    duplicated: int = 0
    unexplained: int = 0
    clips: int = 0
    failed: int = 0
    frames: int = 0
    frames_lost: int = 0
    handed_over: int = 0  # of them, while a camera went from one capture process to another
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, **counts: int) -> None:
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)
        self.problems.append(what)


class Objects:
    """The store, by its own client or as a folder."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._root = Path(parts.path) if parts.scheme == "file" else None
        if self._root is None:
            self._bucket = parts.path.strip("/")
            self._client = Minio(
                f"{parts.hostname}:{parts.port}",
                parts.username,
                parts.password,
                secure=False,
                region="us-east-1",
            )

    def get(self, key: str) -> bytes | None:
        if self._root is not None:
            path = self._root / key
            return path.read_bytes() if path.exists() else None
        if not any(o.object_name == key for o in self._client.list_objects(self._bucket, key)):
            return None
        response = self._client.get_object(self._bucket, key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def keys(self) -> dict[str, float]:
        """Every key but the sentinel, with its time (epoch seconds)."""
        if self._root is not None:
            files = [path for path in self._root.rglob("*") if path.is_file()]
            return {
                str(p.relative_to(self._root)): p.stat().st_mtime
                for p in files
                if p.name != ".platereel"
            }
        listed = self._client.list_objects(self._bucket, recursive=True)
        return {
            str(o.object_name): o.last_modified.timestamp() if o.last_modified else 0.0
            for o in listed
            if o.object_name != ".platereel"
        }

    def remove(self, key: str) -> None:
        """As a store that loses what it acknowledged."""
        if self._root is not None:
            (self._root / key).unlink()
        else:
            self._client.remove_object(self._bucket, key)


def quiet(site: Site, timeout: float = 120) -> None:
    """Wait until nothing is pending, recording or being finished, and the stream is
    acknowledged.
    """

    def settled() -> bool:
        try:
            (row,) = site.query(
                """
                SELECT (SELECT count(*) FROM video_segments WHERE status IN ('recording', 'finalizing'))
                     + (SELECT count(*) FROM detections WHERE outcome = 'pending') AS n
                """
            )
            with site.redis("broker") as client:
                groups: Any = (
                    client.xinfo_groups("detections") if client.exists("detections") else []
                )
        except Exception:  # noqa: BLE001 - a server that is on its way back
            return False
        return row["n"] == 0 and all(group["pending"] == 0 and not group["lag"] for group in groups)

    site.wait("quiet", settled, timeout)


def check(site: Site, acknowledged: dict[str, Entry], since: float) -> Verdict:
    """Check everything that was accepted or recorded since a moment (epoch seconds)."""
    verdict = Verdict(accepted=len(acknowledged))
    segments = {
        row["id"]: row
        for row in site.query(
            "SELECT * FROM video_segments WHERE deadline >= to_timestamp(%s) ORDER BY camera_id, start_time",
            since - 10,
        )
    }
    _detections(site, acknowledged, segments, verdict)
    _overlaps(segments.values(), verdict)
    objects = Objects(site.urls["storage"])
    seen: dict[str, set[int]] = defaultdict(set)
    for row in segments.values():
        if _s(row["created_at"]) < since:
            continue  # it was there before, and was checked then
        if row["status"] == "ready":
            verdict.clips += 1
            if row["truncated_reason"] or row["frames_lost"]:
                lost = [f"{gap['frames']} {gap['cause']}" for gap in row["gaps"]]
                verdict.notes.append(
                    f"{row['camera_id']} {row['id']}: {row['truncated_reason']}, lost {lost}"
                )
            numbered = not site.cameras[row["camera_id"]].get("unnumbered")
            numbers = _clip(row, objects, verdict, numbered=numbered)
            again = seen[row["camera_id"]] & set(numbers)
            if again and numbered:
                verdict.add(
                    f"{row['id']}: frames {sorted(again)[:5]} are in another clip too",
                    duplicated=len(again),
                )
            seen[row["camera_id"]] |= set(numbers)
            if numbered:
                _explained(site, row, numbers, verdict)
        elif row["status"] == "failed":
            verdict.failed += 1
            verdict.notes.append(
                f"{row['camera_id']} {row['id']}: failed, {row['error']}, {row['closed_early']}"
            )
            if not row["error"]:
                verdict.add(f"{row['id']} failed and does not say why", lost=1)
    _counters(site, verdict)
    return verdict


def _detections(
    site: Site, acknowledged: dict[str, Entry], segments: dict[Any, Any], verdict: Verdict
) -> None:
    """Each is in exactly one chain of finished segments that covers what it asked for, or a failed
    one says why.
    """
    rows: dict[str, Any] = {
        row["detection_id"]: row for row in site.query("SELECT * FROM detections")
    }
    links: dict[str, list[Any]] = defaultdict(list)
    for link in site.query("SELECT segment_id, detection_id FROM segment_detections"):
        if link["segment_id"] in segments:
            links[link["detection_id"]].append(segments[link["segment_id"]])
    for name, entry in acknowledged.items():
        row = rows.get(name)
        if row is None:
            verdict.add(f"{name}: accepted, and there is no row of it", lost=1)
            continue
        if row["outcome"] not in {"recorded", "buffer_expired"}:
            verdict.add(
                f"{name}: accepted, and its outcome is {row['outcome']} ({row['reason']})", lost=1
            )
            continue
        chain = sorted(links[name], key=lambda s: s["start_time"])
        if any(s["status"] in LIVE for s in chain):
            verdict.add(f"{name}: in a segment that is not finished", lost=1)
        at = float(entry.facts["captured_at"])
        holding = [s for s in chain if _s(s["start_time"]) <= at < _s(s["deadline"])]
        live = [s for s in holding if s["status"] in {"ready", "expiring", "expired"}]
        if len(live) > 1:
            verdict.add(f"{name}: its moment is in {len(live)} clips", duplicated=1)
        if not holding and not any(s["status"] == "failed" or s["closed_early"] for s in chain):
            verdict.add(f"{name}: no segment holds its moment", lost=1)
        _covered(name, at, chain, verdict)


def _covered(name: str, at: float, chain: list[Any], verdict: Verdict) -> None:
    reach = at - BUFFER_S
    for segment in chain:
        if _s(segment["start_time"]) > reach + SLIVER_S and not any(
            s["status"] == "failed" for s in chain
        ):
            before = [s for s in chain if _s(s["deadline"]) <= reach + SLIVER_S]
            if not (before and before[-1]["closed_early"]) and not _buffer_began(segment):
                verdict.add(
                    f"{name}: nothing covers {reach:.3f} to {_s(segment['start_time']):.3f}", lost=1
                )
        reach = max(reach, _s(segment["deadline"]))
    short = at + POST_S - reach
    if short > SLIVER_S and not any(s["closed_early"] or s["status"] == "failed" for s in chain):
        verdict.add(f"{name}: {short:.3f} s of its post-roll are missing", lost=1)


def _buffer_began(segment: Any) -> bool:
    """A window may begin late where the buffer did: the row's own gaps say so."""
    return any(gap["cause"] in {"buffer_expired", "camera_started"} for gap in segment["gaps"])


def _overlaps(segments: Iterable[Any], verdict: Verdict) -> None:
    last: dict[str, Any] = {}
    for row in segments:
        if row["status"] not in {"ready", *LIVE}:
            continue
        before = last.get(row["camera_id"])
        if before is not None and row["start_time"] < before["deadline"]:
            verdict.add(f"{before['id']} and {row['id']} overlap", duplicated=1)
        last[row["camera_id"]] = row


def _handed_over(gap: Any) -> bool:
    return (
        gap["cause"] == "capture_interrupted"
        and _moment(gap["to"]) - _moment(gap["from"]) <= HAND_OVER_S
    )


def _clip(row: Any, objects: Objects, verdict: Verdict, *, numbered: bool) -> list[int]:
    """The numbers in a READY row's clip, in order; whatever is not as the row says is a problem."""
    data = objects.get(row["file_path"])
    if data is None:
        verdict.add(f"{row['id']}: READY without its object", lost=1)
        return []
    if (len(data), sha256(data).hexdigest()) != (row["file_size_bytes"], row["sha256"]):
        verdict.add(f"{row['id']}: its object is not what the row says", lost=1)
    numbers = _decode(data)
    verdict.frames += len(numbers)
    verdict.frames_lost += row["frames_lost"]
    verdict.handed_over += sum(gap["frames"] for gap in row["gaps"] if _handed_over(gap))
    if len(numbers) != row["frame_count"]:
        verdict.add(
            f"{row['id']}: {len(numbers)} frames decode, the row says {row['frame_count']}",
            unexplained=1,
        )
    if numbered and None in numbers:
        verdict.add(
            f"{row['id']}: {numbers.count(None)} frames are not the camera's", unexplained=1
        )
    found = [number for number in numbers if number is not None]
    back = sum(b <= a for a, b in pairwise(found))
    if numbered and back:
        verdict.add(f"{row['id']}: {back} frames are doubled or out of order", duplicated=back)
    return found


def _decode(data: bytes) -> list[int | None]:
    numbers: list[int | None] = []
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(video=0):
            plane = np.frombuffer(bytes(frame.planes[0]), np.uint8).reshape(
                -1, frame.planes[0].line_size
            )
            numbers.append(read_number(plane[: frame.height, : frame.width]))
    return numbers


def _explained(site: Site, row: Any, numbers: list[int], verdict: Verdict) -> None:
    """Every picture the camera made in the window is in the clip, or in a gap of the row."""
    start, end = _s(row["start_time"]), _s(row["deadline"])
    first = int((start - site.since) * site.fps) + SLACK_FRAMES
    last = int((end - site.since) * site.fps) - SLACK_FRAMES
    have = set(numbers)
    slack_s = SLACK_FRAMES / site.fps
    began = max(
        (_moment(g["to"]) for g in row["gaps"] if g["cause"] == "camera_started"), default=0.0
    )
    missing = [
        n
        for n in range(first, last + 1)
        if n not in have and site.since + n / site.fps >= began - slack_s
    ]
    gaps = [
        (_moment(g["from"]) - slack_s, _moment(g["to"]) + slack_s, g["frames"]) for g in row["gaps"]
    ]
    untold = [
        n for n in missing if not any(a <= site.since + n / site.fps <= b for a, b, _ in gaps)
    ]
    if untold:
        verdict.add(
            f"{row['id']}: frames {untold[:8]} ({len(untold)}) are missing and no gap says so",
            unexplained=len(untold),
        )
    told = sum(frames for _, _, frames in gaps)
    if len(missing) - told > SLACK_FRAMES * (1 + len(gaps)):
        verdict.add(
            f"{row['id']}: {len(missing)} frames are missing, its gaps tell of {told}",
            unexplained=len(missing) - told,
        )


def _counters(site: Site, verdict: Verdict) -> None:
    (row,) = site.query(
        """
        SELECT (SELECT coalesce(sum(segments), 0) FROM camera_totals WHERE status = 'ready') AS counted,
               (SELECT count(*) FROM video_segments WHERE status = 'ready') AS ready
        """
    )
    if row["counted"] != row["ready"]:
        verdict.add(f"counters say {row['counted']} clips, there are {row['ready']}", unexplained=1)


def tidy(site: Site, guard_s: float, now: float) -> list[str]:
    """What is left lying about in store, Redis and working folder, older than its guard."""
    expected = {
        row["key"]
        for row in site.query(
            """
            SELECT file_path AS key FROM video_segments WHERE status <> 'expired'
            UNION ALL SELECT thumbnail_path FROM video_segments WHERE thumbnail_path IS NOT NULL AND status <> 'expired'
            UNION ALL SELECT strip_path FROM video_segments WHERE strip_path IS NOT NULL AND status <> 'expired'
            UNION ALL SELECT object_key FROM segment_parts WHERE object_key IS NOT NULL
            """
        )
    }
    left = [
        f"object {key}"
        for key, made in Objects(site.urls["storage"]).keys().items()
        if key not in expected and made < now - guard_s and not key.startswith("backups/")
    ]
    finished = site.query(
        """
        SELECT DISTINCT s.id FROM video_segments s JOIN segment_parts p ON p.segment_id = s.id
         WHERE s.status = 'ready'
        """
    )
    left += [f"parts of {row['id']}" for row in finished]
    with site.redis("frames") as client:
        for camera in site.cameras:
            holds: Any = client.zrange(f"platereel:holds:{{{camera}}}", 0, -1)
            parked: Any = client.hkeys(f"platereel:parked:{{{camera}}}")
            left += [f"hold {name.decode()} of {camera}" for name in holds]
            left += [f"parked {name.decode()} of {camera}" for name in parked]
    left += [
        f"lease {row['id']}"
        for row in site.query(
            "SELECT id FROM segment_parts WHERE lease_until < now() - interval '10 s'"
        )
    ]
    left += [
        f"temporary {p.name}"
        for p in (site.folder / "work").iterdir()
        if p.stat().st_mtime < now - 300
    ]
    return left


def _s(moment: datetime) -> float:
    return moment.timestamp()


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
