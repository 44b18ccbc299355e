"""An application behind a real socket: endless answers and TLS cannot be tried without one. And a
client with patience.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import urllib3
import uvicorn
from fastapi import FastAPI

from platereel.embedded.processes import free_ports
from tests.support.waiting import WAIT_SECONDS

# urllib3's own waits three seconds
request = partial(urllib3.request, timeout=WAIT_SECONDS)


@contextmanager
def serving(app: FastAPI, **options: Any) -> Iterator[str]:
    """Its address, for the length of a block; options are uvicorn's."""
    (port,) = free_ports(1)
    config = uvicorn.Config(
        app,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        **options,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
