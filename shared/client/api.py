"""A typed client of the HTTP API, for programs that find and fetch clips from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import urllib3
from pydantic import BaseModel

from shared.client.plates_api import PlatesApi
from shared.domain.lifecycle import SegmentStatus
from shared.wire import api

PREFIX = "/v2/video"
CHUNK = 1 << 20
CONNECT_SECONDS, READ_SECONDS, TRIES = 5.0, 30.0, 3
AWAY = 503
Model = TypeVar("Model", bound=BaseModel)
Progress = Callable[[int, int | None], None]


class ApiError(Exception):
    """The API refused, or did not answer (status 0); `problem` is its problem document."""

    def __init__(self, status: int, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status}: {detail}" if status else detail)
        self.status = status
        self.detail = detail
        self.problem = dict(problem or {})


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event: its id (None for camera.changed), name and body."""

    event_id: str | None
    name: str
    body: Mapping[str, Any]


class ApiClient(PlatesApi):
    """Talks to one API. Use it as a context manager; threads may share it.

    Reads are tried again when the API is away for a moment; changes only where a second try changes
    nothing more. Times must have a zone. Raises ApiError.
    """

    def __init__(self, base_url: str, key: str | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            headers=self._headers,
            maxsize=8,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

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

    def stats(self, days: int = 30) -> api.Stats:
        """Returns totals, per camera and per day."""
        return self._read(api.Stats, "stats", {"days": days})

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

    def snapshot(self, camera_id: str) -> bytes:
        """Returns the camera's newest picture, as JPEG."""
        return self._answer("GET", f"cameras/{quote(camera_id, safe='')}/snapshot.jpg").data

    def download(
        self, segment_id: UUID | str, path: Path, progress: Progress = lambda *_: None
    ) -> Path:
        """Fetch a clip's MP4 to `path`, whole or not at all; progress: bytes so far, bytes in
        all.
        """
        return self._fetch(f"segments/{segment_id}/download", path, progress)

    def export(
        self, segment_id: UUID | str, path: Path, progress: Progress = lambda *_: None
    ) -> Path:
        """Fetch a clip's evidence archive; `platereel verify` checks it."""
        return self._fetch(f"segments/{segment_id}/export", path, progress)

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

    def _fetch(self, path: str, target: Path, progress: Progress) -> Path:
        temporary = target.with_name(f".{target.name}.part")
        answer = self._answer("GET", path, stream=True)
        length = answer.headers.get("Content-Length")
        total, done = int(length) if length else None, 0
        try:
            with temporary.open("wb") as out:
                for piece in answer.stream(CHUNK):
                    out.write(piece)
                    done += len(piece)
                    progress(done, total)
            temporary.replace(target)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"the download broke off after {done} bytes") from error
        finally:
            temporary.unlink(missing_ok=True)
            answer.release_conn()
        return target

    def _read(self, model: type[Model], path: str, query: Mapping[str, Any] | None = None) -> Model:
        given = {
            name: _written(value) for name, value in (query or {}).items() if value is not None
        }
        return model.model_validate_json(
            self._answer("GET", f"{path}?{urlencode(given)}" if given else path).data
        )

    def _send(
        self,
        model: type[Model],
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        again: bool = False,
    ) -> Model:
        sent = {name: value for name, value in body.items() if value is not None}
        return model.model_validate_json(self._answer(method, path, body=sent, again=again).data)

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        again: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Returns an answer of 2xx; any other raises ApiError."""
        tries = TRIES - 1 if again or method == "GET" else 0
        retries = urllib3.Retry(
            total=tries,
            backoff_factor=0.5,
            status_forcelist=[AWAY],
            allowed_methods=None,
            raise_on_status=False,
            raise_on_redirect=False,
            redirect=3,
        )
        try:
            answer = self._pool.request(
                method,
                f"{self._base}{PREFIX}/{path}",
                headers={**self._headers, **(headers or {})},
                json=None if body is None else dict(body),
                preload_content=not stream,
                retries=retries,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self._base} does not answer: {type(error).__name__}") from error
        if answer.status >= 300:  # noqa: PLR2004 - no success, as HTTP has it
            raise _refusal(answer)
        return answer


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _refusal(answer: urllib3.BaseHTTPResponse) -> ApiError:
    try:
        problem = json.loads(answer.data)
        return ApiError(answer.status, str(problem["detail"]), problem)
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status, answer.reason or "refused")
