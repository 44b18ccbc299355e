"""The dispatch process."""

from __future__ import annotations

from services.dispatch import loop
from services.dispatch.wiring import build
from shared.runtime.live_cameras import LiveCameras
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_event
from shared.runtime.startup import when_ready
from shared.runtime.tracing import begin_tracing, end_tracing


def main(settings: Settings) -> None:
    """Run until told to stop. Waits for the servers first, and begins anew when the cameras'
    settings have changed: it keeps no truth of its own.
    """
    begin_tracing("dispatch")
    stopping, cameras = stop_event(), LiveCameras(settings)
    while not stopping.is_set():
        world = when_ready(lambda: build(settings, cameras), stopping)
        if world is not None:
            loop.run(world, stopping)
    end_tracing()
