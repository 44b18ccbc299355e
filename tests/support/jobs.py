"""Cleanup and check in one go, as a command runs them: what they come to, however many steps that takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.ports import Progress
from workers.consistency.check import CheckPorts
from workers.consistency.check import check as check_step
from workers.process.job_turn import in_steps
from workers.retention.cleanup import CleanupPorts
from workers.retention.cleanup import cleanup as cleanup_step


def cleanup(ports: CleanupPorts, params: Mapping[str, Any], tell: Progress = lambda *_: None) -> dict[str, Any]:
    return in_steps(lambda cursor: cleanup_step(ports, params, tell, cursor))


def check(ports: CheckPorts, params: Mapping[str, Any], tell: Progress = lambda *_: None) -> dict[str, Any]:
    return in_steps(lambda cursor: check_step(ports, params, tell, cursor))
