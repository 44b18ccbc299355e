"""Cleanup and check in one go, as a command runs them: what they come to, however many steps that takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.ports import Progress
from workers.reconcile.audit import AuditPorts
from workers.reconcile.audit import audit as check_step
from workers.retention.sweep import SweepPorts
from workers.retention.sweep import sweep as cleanup_step
from workers.upkeep import in_steps


def sweep(ports: SweepPorts, params: Mapping[str, Any], tell: Progress = lambda *_: None) -> dict[str, Any]:
    return in_steps(lambda cursor: cleanup_step(ports, params, tell, cursor))


def audit(ports: AuditPorts, params: Mapping[str, Any], tell: Progress = lambda *_: None) -> dict[str, Any]:
    return in_steps(lambda cursor: check_step(ports, params, tell, cursor))
