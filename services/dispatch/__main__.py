"""The dispatch process."""

from __future__ import annotations

from services.dispatch import loop
from services.dispatch.wiring import build
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_event
from shared.runtime.startup import when_ready


def main(settings: Settings) -> None:
    """Run until told to stop. Waits for the servers first."""
    stopping = stop_event()
    world = when_ready(lambda: build(settings), stopping)
    if world is not None:
        loop.run(world, stopping)
