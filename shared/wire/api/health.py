"""Whether a process and a deployment are well, and what to do where they are not."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from shared.domain.camera import CameraState
from shared.domain.health import Severity
from shared.wire.api.answer import Answer


class Health(BaseModel):
    """Whether the process can be used."""

    status: str


class WrongSetting(Answer):
    """A setting of a server with which footage or rows can be lost."""

    setting: str
    found: str
    severity: Severity
    mend: str = Field(description="The line that mends it.")


class HealthProblem(Answer):
    """One thing that is wrong, and what to do about it."""

    severity: Severity
    what: str
    what_to_do: str
    since: datetime | None = Field(description="null: not known.")
    camera: str | None


class DependencyHealth(Answer):
    """A server that the deployment needs."""

    name: str
    up: bool
    latency_ms: int | None = Field(description="How long its answer took; null without one.")
    version: str | None = Field(description="null: it does not say.")
    wrong: list[WrongSetting]


class Readiness(Health):
    """Whether what the process depends on can be used."""

    checks: dict[str, str] = Field(description="By server: `ok`, or why it cannot be used.")
    dependencies: list[DependencyHealth] | None = Field(
        description="null without a key; also while the key cannot be looked up."
    )


class QueueHealth(Answer):
    """What waits for its turn."""

    name: str
    length: int | None = Field(description="null: only the oldest is known.")
    oldest_seconds: float | None = Field(description="null: nothing waits.")


class DeploymentHealth(BaseModel):
    """What is wrong now, errors first, and what it was judged by."""

    problems: list[HealthProblem]
    dependencies: list[DependencyHealth]
    queues: list[QueueHealth]
    cameras: dict[CameraState, int] = Field(description="How many there are in each state.")
    frames_lost_today: int | None = Field(
        description="Of clips that began today; null while the database is down."
    )
