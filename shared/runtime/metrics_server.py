"""The port at which a process's counters can be scraped, where `metrics_port` is set.

A process that never forks answers on a thread. A worker must not: a lock that a thread holds while
the pool forks stays locked in the child. So a small process beside it answers, which is this file
started as a program. It imports no more than it needs
(docs/adr/0019-counters-that-can-be-scraped.md).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
from functools import partial
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from shared.domain.errors import Retryable
from shared.runtime.metrics_folder import MetricsFolder, registry_of
from shared.runtime.metrics_room import FOLDER_VARIABLE
from shared.runtime.streams import LoggedStream

CLIENT_SECONDS = 10.0


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *_: Any) -> None:
        """A scrape is no event."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, app: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = listening.getsockname()[:2]
        self.setup_environ()
        self.set_app(app)

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no event either."""


def _answers(registry: CollectorRegistry) -> Any:
    """Returns what the port answers; 503 while the counters cannot be read."""
    app = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return app(environ, start_response)
        except Retryable as error:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            start_response(
                f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")]
            )
            return [f"{error.message}\n".encode()]

    return answer


def serve_on_a_thread(listening: socket.socket) -> None:
    """Answer for this process, which never forks, until it ends."""
    server = _Server(listening, _answers(registry_of(None)))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def main() -> None:
    """Answer until standard input ends, which is when the worker has ended."""
    handle, pid, style = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if style == "json":
        sys.stderr = LoggedStream(sys.stderr, partial(_say, sys.stderr))
    folder = Path(os.environ[FOLDER_VARIABLE])
    server = _Server(
        socket.socket(fileno=handle), _answers(registry_of(MetricsFolder(folder), pid))
    )
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    sys.stdin.buffer.read()
    shutil.rmtree(folder, ignore_errors=True)


def _say(out: TextIO, line: str) -> None:
    event = {
        "event": "printed",
        "level": "warning",
        "line": line,
        "process": "metrics",
        "pid": os.getpid(),
    }
    out.write(json.dumps(event) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
