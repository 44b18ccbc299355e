"""Passes, detections and plates, through the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from shared.client.http import HttpApi
from shared.domain.found_passes import Review
from shared.domain.lifecycle import DetectionOutcome
from shared.wire import api


class PassCalls(HttpApi):
    """The part of the client that finds passes, detections and plates, and corrects passes."""

    def passes(
        self,
        *,
        camera_id: str | None = None,
        plate: str | None = None,
        fuzzy: bool | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        day_from: time | None = None,
        day_to: time | None = None,
        time_zone: str | None = None,
        min_confidence: float | None = None,
        min_dwell: float | None = None,
        max_dwell: float | None = None,
        recorded: bool | None = None,
        hit: bool | None = None,
        acknowledged: bool | None = None,
        on_list: str | None = None,
        review: Review | None = None,
        attributes: Mapping[str, str] | None = None,
        sort: Literal["-time", "time", "match"] | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> api.PassPage:
        """Returns one page of passes; its `next_cursor` is the `cursor` of the next. attributes:
        names and values that a pass must have.
        """
        query = {
            "camera_id": camera_id, "plate": plate, "fuzzy": fuzzy, "from": from_, "to": to, "day_from": day_from,
            "day_to": day_to, "tz": time_zone, "min_confidence": min_confidence, "min_dwell": min_dwell,
            "max_dwell": max_dwell, "recorded": recorded, "hit": hit, "acknowledged": acknowledged, "list": on_list,
            "review": review, "sort": sort, "limit": limit, "cursor": cursor,
        }  # fmt: skip
        return self._read(api.PassPage, "passes", query | _attributes(attributes))

    def every_pass(self, **where: Any) -> Iterator[api.Pass]:
        """Yields all passes that match, page by page. Takes what `passes` takes."""
        page = self.passes(**where)
        yield from page.items
        while page.next_cursor is not None:
            page = self.passes(**where, cursor=page.next_cursor)
            yield from page.items

    def pass_(self, pass_id: UUID | str) -> api.PassDetail:
        """Returns one pass with its reads, segments and reviews."""
        return self._read(api.PassDetail, f"passes/{pass_id}")

    def review(
        self,
        pass_id: UUID | str,
        review: Review | None = None,
        *,
        plate: str | None = None,
        note: str | None = None,
    ) -> api.PassDetail:
        """Confirm, correct (with the right plate) or reject a pass, or take that back."""
        body = {"review": review, "plate": plate, "note": note}
        return self._send(api.PassDetail, "PATCH", f"passes/{pass_id}", body)

    def picture(self, pass_id: UUID | str, kind: Literal["plate", "scene"] = "plate") -> bytes:
        """Returns a picture of a pass's best read, as JPEG."""
        return self._answer("GET", f"passes/{pass_id}/{kind}.jpg").data

    def acknowledge(self, pass_id: UUID | str, note: str | None = None) -> api.PassDetail:
        """Note that somebody has seen the hits of a pass."""
        path = f"passes/{pass_id}/acknowledge"
        return self._send(api.PassDetail, "POST", path, {"note": note}, again=True)

    def detections(
        self,
        *,
        camera_id: str | None = None,
        plate: str | None = None,
        fuzzy: bool | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        min_confidence: float | None = None,
        outcome: DetectionOutcome | None = None,
        pass_id: UUID | str | None = None,
        attributes: Mapping[str, str] | None = None,
        sort: Literal["-time", "time"] | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> api.DetectionPage:
        """Returns one page of detections; its `next_cursor` is the `cursor` of the next."""
        query = {
            "camera_id": camera_id, "plate": plate, "fuzzy": fuzzy, "from": from_, "to": to,
            "min_confidence": min_confidence, "outcome": outcome, "pass_id": pass_id, "sort": sort, "limit": limit,
            "cursor": cursor,
        }  # fmt: skip
        return self._read(api.DetectionPage, "detections", query | _attributes(attributes))

    def detection(self, detection_id: str, camera_id: str | None = None) -> api.FoundDetection:
        """Returns one detection. `camera_id`: where several cameras have its id."""
        path = f"detections/{quote(detection_id, safe='')}"
        return self._read(api.FoundDetection, path, {"camera_id": camera_id})

    def plate(self, plate: str, time_zone: str = "UTC") -> api.PlateHistory:
        """Returns how often a plate went by each camera on each day, and its newest passes."""
        return self._read(api.PlateHistory, f"plates/{quote(plate, safe='')}", {"tz": time_zone})


def _attributes(attributes: Mapping[str, str] | None) -> dict[str, str]:
    return {f"attribute.{name}": value for name, value in (attributes or {}).items()}
