"""Erasing what is kept of a plate."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.ports import Erasure
from shared.wire.api.answer import Answer

SHOWN = 100


class ErasureRequest(BaseModel):
    """dry_run: say what would go, and change nothing."""

    model_config = ConfigDict(extra="forbid")

    dry_run: Annotated[bool, Field(strict=True)] = False


class RefusedClip(Answer):
    """A clip that keeps the plate from being erased."""

    segment_id: UUID
    reason: str = Field(description="`protected`, or the status of a clip that is still made.")


class PlateErasure(Answer):
    """What went, or with dry_run would go. Of long lists the first 100."""

    dry_run: bool
    passes: int
    reads: int
    misreads: int = Field(description="Reads of other vehicles, which lose this plate.")
    pictures: int = Field(description="Passes with pictures, and reads with their detector's own.")
    clips: int = Field(description="Clips of this plate alone: marked for deletion.")
    clips_kept: int = Field(description="Clips that show other plates, too.")
    kept: list[UUID] = Field(description="The first of these.")
    refused: list[RefusedClip] = Field(description="Where there is one, nothing is erased.")
    log_lines: int = Field(description="Of the access log: they lose the plate.")
    lists: list[str] = Field(description="Lists with an entry of the plate, which stays.")


def erasure_answer(found: Erasure, *, dry_run: bool) -> PlateErasure:
    """Returns an erasure as it is told."""
    return PlateErasure(
        dry_run=dry_run,
        passes=found.passes,
        reads=found.reads,
        misreads=found.misreads,
        pictures=found.pictures,
        clips=len(found.clips),
        clips_kept=len(found.kept),
        kept=list(found.kept[:SHOWN]),
        refused=[RefusedClip.model_validate(each) for each in found.refused[:SHOWN]],
        log_lines=found.log_lines,
        lists=list(found.lists),
    )
