"""A typed client of the HTTP API, for programs that find and fetch clips from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from shared.client.access_log import AccessLogCalls
from shared.client.http import READ_SECONDS, ApiError, Progress
from shared.client.invitations import InvitationCalls
from shared.client.passes import PassCalls
from shared.client.plate_lists import PlateListCalls
from shared.client.plate_records import PlateRecordCalls
from shared.client.shares import ShareCalls
from shared.domain.lifecycle import SegmentStatus
from shared.wire import api

__all__ = ["ApiClient", "ApiError", "Event"]
COPIES_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event: its id (None for camera.changed), name and body."""

    event_id: str | None
    name: str
    body: Mapping[str, Any]


class ApiClient(
    PassCalls, PlateListCalls, PlateRecordCalls, AccessLogCalls, InvitationCalls, ShareCalls
):
    """Talks to one API. Use it as a context manager; threads may share it.

    Reads are tried again when the API is away for a moment; changes only where a second try changes
    nothing more. Times must have a zone. Raises ApiError.
    """

    def segments(
        self,
        *,
        camera_id: str | None = None,
        status: SegmentStatus | None = None,
        archived: bool | None = None,
        protected: bool | None = None,
        plate: str | None = None,
        fuzzy: bool | None = None,
        min_confidence: float | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        sort: Literal["-start_time", "start_time", "match"] | None = None,
        limit: int = 100,
        offset: int | None = None,
        cursor: str | None = None,
    ) -> api.SegmentPage:
        """Returns one page of segments; its `next_cursor` is the `cursor` of the next."""
        query = {
            "camera_id": camera_id, "status": status, "archived": archived, "protected": protected, "plate": plate,
            "fuzzy": fuzzy, "min_confidence": min_confidence, "from": from_, "to": to, "sort": sort, "limit": limit,
            "offset": offset, "cursor": cursor,
        }  # fmt: skip
        return self._read(api.SegmentPage, "segments", query)

    def every_segment(self, **where: Any) -> Iterator[api.ListedSegment]:
        """Yields all segments that match, page by page. Takes what `segments` takes."""
        page = self.segments(**where)
        yield from page.items
        while page.next_cursor is not None:
            page = self.segments(**where, cursor=page.next_cursor)
            yield from page.items

    def segment(self, segment_id: UUID | str) -> api.SegmentDetail:
        """Returns one segment with its detections."""
        return self._read(api.SegmentDetail, f"segments/{segment_id}")

    def by_detection(
        self, detection_id: str, camera_id: str | None = None
    ) -> api.SegmentsOfDetection:
        """Returns the segments that hold a detection, and its outcome.

        `camera_id`: where several cameras have its id.
        """
        path = f"by-detection/{quote(detection_id, safe='')}"
        return self._read(api.SegmentsOfDetection, path, {"camera_id": camera_id})

    def publish(self, detection: Mapping[str, Any]) -> api.DetectionReceipt:
        """Publish a detection (camera_id, confidence, …); with a detection_id it may be published
        again.
        """
        return self._send(
            api.DetectionReceipt, "POST", "detections", detection, again="detection_id" in detection
        )

    def protect(
        self, segment_id: UUID | str, *, protected: bool = True, note: str | None = None
    ) -> api.SegmentDetail:
        """Protect a segment from retention and deletion, or lift that."""
        body = {"protected": protected, "note": note}
        return self._send(api.SegmentDetail, "PATCH", f"segments/{segment_id}", body, again=True)

    def delete(self, segment_id: UUID | str) -> None:
        """Delete a segment's clip."""
        self._answer("DELETE", f"segments/{segment_id}")

    def bulk(
        self,
        action: Literal["delete", "protect", "unprotect"],
        segment_ids: Sequence[UUID],
        note: str | None = None,
    ) -> api.BulkResult:
        """The same for up to 500 clips; each succeeds or fails by itself."""
        body = {"action": action, "ids": [str(each) for each in segment_ids], "note": note}
        return self._send(api.BulkResult, "POST", "bulk", body)

    def cleanup(
        self, retention_days: float | None = None, *, dry_run: bool = False, confirm: bool = False
    ) -> api.JobState:
        """Apply retention. Poll `job` until its state is done or failed.

        confirm: archive far more than usual, too.
        """
        body = {"retention_days": retention_days, "dry_run": dry_run, "confirm": confirm}
        return self._send(api.JobState, "POST", "cleanup", body)

    def job(self, job_id: UUID | str) -> api.JobState:
        """Returns how a job stands."""
        return self._read(api.JobState, f"jobs/{job_id}")

    def stats(self, days: int = 30, time_zone: str = "UTC") -> api.Stats:
        """Returns totals, per camera and per UTC day, and per camera and day of the time zone."""
        return self._read(api.Stats, "stats", {"days": days, "tz": time_zone})

    def health(self, time_zone: str = "UTC") -> api.DeploymentHealth:
        """Returns what is wrong now and what to do about it. time_zone: of today's lost frames."""
        return self._read(api.DeploymentHealth, "health", {"tz": time_zone})

    def configuration(self) -> api.Configuration:
        """Returns the API's settings, and where each value comes from."""
        return self._read(api.Configuration, "configuration")

    def cameras(self) -> api.CameraList:
        """All cameras and their health."""
        return self._read(api.CameraList, "cameras")

    def calendar(
        self,
        camera_id: str,
        from_: date | None = None,
        to: date | None = None,
        time_zone: str = "UTC",
    ) -> api.Calendar:
        """Returns the days with footage of a camera."""
        query = {"from": from_, "to": to, "tz": time_zone}
        return self._read(api.Calendar, f"cameras/{quote(camera_id, safe='')}/calendar", query)

    def gaps(
        self, camera_id: str, from_: datetime | None = None, to: datetime | None = None
    ) -> api.MissingFootageList:
        """Returns what the segments of a camera lack."""
        return self._read(
            api.MissingFootageList,
            f"cameras/{quote(camera_id, safe='')}/gaps",
            {"from": from_, "to": to},
        )

    def timeline(self, from_: datetime, to: datetime, cameras: Sequence[str] = ()) -> api.Timeline:
        """Returns segments, passes and gaps of up to 31 days, in columns; by default of all cameras
        that the key is for.
        """
        query = {"from": from_, "to": to, "camera_id": list(cameras)}
        return self._read(api.Timeline, "timeline", query)

    def snapshot(self, camera_id: str) -> bytes:
        """Returns the camera's newest picture, as JPEG."""
        return self._answer("GET", f"cameras/{quote(camera_id, safe='')}/snapshot.jpg").data

    def strip(self, segment_id: UUID | str) -> api.Strip:
        """Returns where each picture of a clip's strip stands, and when it is shown."""
        return self._read(api.Strip, f"segments/{segment_id}/strip.json")

    def strip_picture(self, segment_id: UUID | str) -> bytes:
        """Returns a clip's strip: small pictures of what it shows, on one JPEG."""
        return self._answer("GET", f"segments/{segment_id}/strip.jpg").data

    def download(
        self, segment_id: UUID | str, path: Path, progress: Progress = lambda *_: None
    ) -> Path:
        """Fetch a clip's MP4 to `path`, whole or not at all; progress: bytes so far, bytes in
        all.
        """
        return self._fetch(f"segments/{segment_id}/download", path, progress)

    def export(
        self,
        segment_id: UUID | str,
        path: Path,
        progress: Progress = lambda *_: None,
        *,
        overlay: bool = False,
        redact: Literal["others"] | None = None,
        plate: str | None = None,
        time_zone: str | None = None,
        original: bool = True,
    ) -> Path:
        """Fetch a clip's evidence archive; `platereel verify` checks it, and says what could not be
        blurred.

        overlay: with a copy that has times (also in `time_zone`) and plates in its pictures.
        redact: with one in which all plates but `plate` are blurred; `original=False` leaves out
        the clip as it was recorded. Copies take up to ten minutes before the first byte.
        """
        query = {
            "overlay": True if overlay else None, "redact": redact, "plate": plate, "tz": time_zone,
            "original": None if original else False,
        }  # fmt: skip
        patience_s = COPIES_SECONDS if overlay or redact else READ_SECONDS
        target = f"segments/{segment_id}/export"
        return self._fetch(target, path, progress, query, patience_s=patience_s)

    def export_incident(
        self,
        segment_ids: Sequence[UUID | str],
        path: Path,
        progress: Progress = lambda *_: None,
        *,
        title: str | None = None,
        time_zone: str | None = None,
    ) -> Path:
        """Fetch the evidence of up to 16 clips as one archive, which `platereel verify` checks."""
        query = {"segment_id": [str(each) for each in segment_ids], "title": title, "tz": time_zone}
        return self._fetch("incident/export", path, progress, query, patience_s=COPIES_SECONDS)

    def events(self, after: str | None = None) -> Iterator[Event]:
        """Yields events as they happen, after an event's id. Ends when the API ends the stream."""
        headers = {**self._headers, **({} if after is None else {"Last-Event-ID": after})}
        answer = self._answer("GET", "events", headers=headers, stream=True)
        found: dict[str, str] = {}
        try:
            for raw in answer:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if line and name:
                    found[name] = value
                elif not line:
                    if "data" in found:
                        yield Event(
                            found.get("id"),
                            found.get("event", "message"),
                            json.loads(found["data"]),
                        )
                    found = {}
        finally:
            answer.close()
