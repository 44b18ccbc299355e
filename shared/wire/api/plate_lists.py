"""Lists of plates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.domain.names import CAMERA_ID, PLAIN_NAME
from shared.domain.plate_lists import MOST_PLATE, IgnoredReads, ListKind, check_plate
from shared.domain.retention import MAX_DAYS
from shared.domain.timing import EPOCH
from shared.domain.weekly_hours import WeeklyHours
from shared.wire.api.answer import Answer
from shared.wire.bounded_json import unstorable
from shared.wire.moments import Moment

MOST_CAMERAS, MOST_COOL_DOWN_SECONDS = 1000, 7 * 86_400
ONLY_IGNORED = "is for a list of the kind ignore"
_NO_ZONES = {"localtime", "Factory"}  # names of this host's files, not of zones


def _hours(text: str) -> str:
    WeeklyHours.parse(text)
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    else:
        known = name not in _NO_ZONES
    if not known:
        raise ValueError("no such time zone; write one as Europe/Berlin")
    return name


def _since_1970(value: datetime) -> datetime:
    if value < EPOCH:
        raise ValueError("lies before 1970")
    return value


def _storable(text: str) -> str:
    wrong = unstorable(text)
    if wrong is not None:
        raise ValueError(wrong)
    return text


_Checked = AfterValidator(_storable)
Short = Annotated[str, Field(min_length=1, max_length=200), _Checked]
Long = Annotated[str, Field(min_length=1, max_length=2000), _Checked]
Hours = Annotated[str, Field(max_length=500), AfterValidator(_hours)]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
Cameras = Annotated[
    list[Annotated[str, Field(pattern=f"^{CAMERA_ID.pattern}$")]],
    Field(min_length=1, max_length=MOST_CAMERAS),
]
ListName = Annotated[str, Field(pattern=f"^{PLAIN_NAME.pattern}$")]
HitDays = Annotated[float, Field(strict=True, gt=0, le=MAX_DAYS, allow_inf_nan=False)]
CoolDown = Annotated[
    float, Field(strict=True, ge=0, le=MOST_COOL_DOWN_SECONDS, allow_inf_nan=False)
]
Tolerance = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Priority = Annotated[int, Field(strict=True, ge=1, le=5, description="1 is the most urgent.")]
Since = Annotated[Moment, AfterValidator(_since_1970)]
Plate = Annotated[
    str,
    Field(min_length=1, description=f"At most {MOST_PLATE} characters; * and ? are wildcards."),
    _Checked,
]


class ListRequest(BaseModel):
    """A list to make."""

    model_config = ConfigDict(extra="forbid")

    name: ListName
    kind: ListKind
    reads: IgnoredReads = Field(
        IgnoredReads.KEPT, description="Whether ignored detections are stored."
    )
    hit_days: HitDays | None = Field(None, description="null: as the rest.")
    quiet_hours: Hours | None = None
    cool_down_seconds: CoolDown = 0.0
    cameras: Cameras | None = Field(None, description="null: all.")
    time_zone: Zone = "UTC"

    @field_validator("reads")
    @classmethod
    def _of_ignored(cls, reads: IgnoredReads, given: ValidationInfo) -> IgnoredReads:
        if reads is IgnoredReads.DROPPED and given.data.get("kind") is not ListKind.IGNORE:
            raise ValueError(ONLY_IGNORED)
        return reads


class ListPatch(BaseModel):
    """What may be changed of a list. What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    reads: IgnoredReads = IgnoredReads.KEPT
    hit_days: HitDays | None = None
    quiet_hours: Hours | None = None
    cool_down_seconds: CoolDown = 0.0
    cameras: Cameras | None = None
    time_zone: Zone = "UTC"


class PlateList(Answer):
    """A list and the number of its entries."""

    id: UUID = Field(validation_alias="list_id")
    name: str
    kind: ListKind
    reads: IgnoredReads
    hit_days: float | None
    quiet_hours: str | None
    cool_down_seconds: float
    cameras: list[str] | None
    time_zone: str
    entries: int
    created_at: datetime
    updated_at: datetime

    model_config = ConfigDict(from_attributes=True, validate_by_name=True)


class PlateLists(BaseModel):
    """All lists, by name."""

    items: list[PlateList]
    total: int


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    tolerance: Tolerance = Field(
        0.0, description="How far a plate may be from it: 0.1 a look-alike character, 1 any edit."
    )
    name: Short | None = None
    note: Long | None = None
    reason: Short | None = None
    priority: Priority | None = None
    instructions: Long | None = None
    cameras: Cameras | None = Field(None, description="null: those of the list.")
    valid_from: Since | None = None
    valid_until: Since | None = None
    hours: Hours | None = Field(None, description="Such as `mon-fri 08:00-18:00`.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (
            self.valid_from is not None
            and self.valid_until is not None
            and self.valid_until <= self.valid_from
        ):
            raise ValueError("valid_until is not after valid_from")
        return self


class EntryRequest(_Entry):
    """An entry to add."""

    plate: Plate

    @model_validator(mode="after")
    def _is_a_plate(self) -> Self:
        try:
            check_plate(self.plate, self.tolerance)
        except ValueError as error:
            raise ValueError(f"plate: {error}") from None
        return self


class EntryPatch(_Entry):
    """What may be changed of an entry. What is left out stays; a plate is another entry."""


class ListEntry(Answer):
    """An entry of a list."""

    id: UUID = Field(validation_alias="entry_id")
    plate: str
    tolerance: float
    name: str | None
    note: str | None
    reason: str | None
    priority: int | None
    instructions: str | None
    cameras: list[str] | None
    valid_from: datetime | None
    valid_until: datetime | None
    hours: str | None

    model_config = ConfigDict(from_attributes=True, validate_by_name=True)


class EntryPage(Answer):
    """A page of entries, by plate. total counts all that match."""

    items: list[ListEntry]
    total: int
    next_cursor: str | None


class LineProblem(Answer):
    """A line of a file that is no entry, and why."""

    line: int
    message: str


class Overlap(Answer):
    """A list that holds some of the plates: how many, and the first of them."""

    name: str
    kind: ListKind
    entries: int
    plates: list[str]


class ImportReport(BaseModel):
    """What an import did, or with dry_run would do. problems: the first of the lines that were left
    out.
    """

    dry_run: bool
    lines: int
    added: int
    changed: int
    unchanged: int
    skipped: int
    problems: list[LineProblem]
    overlaps: list[Overlap] = Field(description="Other lists that hold some of the plates.")


class PreviewRequest(BaseModel):
    """A plate that may become an entry."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    plate: Plate
    tolerance: Tolerance = 0.0
    days: Annotated[float, Field(strict=True, gt=0, le=366)] = Field(
        30.0, description="How far to look back."
    )

    @model_validator(mode="after")
    def _is_a_plate(self) -> Self:
        try:
            check_plate(self.plate, self.tolerance)
        except ValueError as error:
            raise ValueError(f"plate: {error}") from None
        return self


class AcceptedPlate(Answer):
    """A plate that would be accepted, and the places in it, from 0, of what differs. In it `?` is
    any one character.
    """

    plate: str
    distance: float
    differs: list[int]


class SeenPass(Answer):
    """A recent pass, its nearest read, and how far that is from the entry."""

    pass_id: UUID
    camera_id: str
    first_at: datetime
    plate: str
    distance: float


class Preview(BaseModel):
    """What an entry would accept: examples, lists that hold the plate already, and recent passes
    that it would have matched, newest first. total counts all of these.
    """

    accepted: list[AcceptedPlate]
    lists: list[Overlap]
    items: list[SeenPass]
    total: int
