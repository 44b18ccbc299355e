"""The API process."""

from __future__ import annotations

import threading

import uvicorn

from services.api.wiring import build
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_as_usual, stop_event
from shared.runtime.startup import tell_refusals, when_ready
from shared.runtime.tracing import begin_tracing, end_tracing

DRAIN_SECONDS = 3


def main(settings: Settings) -> None:
    """Serve until told to stop. Waits for the servers first."""
    stopping = stop_event()
    begin_tracing("api")
    app = when_ready(lambda: build(settings), stopping)
    if app is not None and not stopping.is_set():
        checks = app.state.ports.servers.checks
        threading.Thread(target=tell_refusals, args=(checks,), name="checks", daemon=True).start()
        stop_as_usual()  # uvicorn listens in a moment
        uvicorn.run(
            app,
            host=settings.api.host,
            port=settings.api.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=settings.api.tls_certificate,
            ssl_keyfile=settings.api.tls_key,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    end_tracing()
