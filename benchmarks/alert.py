"""Alert: a detection of a wanted plate on the stream until its hit is with who waits for it, on
loopback: a webhook and a listener of the API's server-sent events.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median, quantiles

import redis

from benchmarks.harness import Row, report
from benchmarks.site import Site, site, wait_for
from platereel.embedded.processes import free_ports
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.domain.plate_lists import EntrySettings, ListKind, ListSettings

DETECTIONS, WARM_UP = 200, 5
# prime to each other and to the polls that events could wait for
PAUSES_S = (0.067, 0.113, 0.179, 0.231, 0.293)
PLATE = "AB123CD"
LISTEN = "/v2/video/events"
CONFIG = """
api: {{port: {api}}}
webhooks:
  - {{name: here, url: "http://127.0.0.1:{hook}/", private: true, secret: "{secret}",
     events: [plate.hit]}}
defaults: {{buffer_seconds: 2, post_event_seconds: 4}}
cameras:
"""
SECRET = "whsec_YmVuY2htYXJrcyBrZWVwIG5vIHNlY3JldHM="  # noqa: S105 - of a receiver in this process
Arrivals = dict[str, float]
Listening = tuple[http.client.HTTPConnection, http.client.HTTPResponse]


def run(*, quick: bool) -> list[Row]:
    """Milliseconds of each way, over as many detections, each of a camera that has seen nothing
    yet.
    """
    count, warm_up = (4, 1) if quick else (DETECTIONS, WARM_UP)
    cameras = [f"gate{number}" for number in range(count + warm_up)]
    api, hook = free_ports(2)
    config = CONFIG.format(api=api, hook=hook, secret=SECRET) + "".join(
        f'  {camera}: {{source: "push:", detect: false}}\n' for camera in cameras
    )
    posted: Arrivals = {}
    streamed: Arrivals = {}
    with _receiver(hook, posted), site(config) as place, place.broker() as broker:
        _watch(place)
        place.run("dispatch", "dispatch")
        place.run("api", "api")
        listening = wait_for("the API", partial(_listen, api), every_s=0.1)
        with _hearing(listening, streamed):
            sent = {camera: _detect(broker, camera, at) for at, camera in enumerate(cameras)}
            wait_for("all events", lambda: sent.keys() <= posted.keys() & streamed.keys())
    return [
        row
        for way, arrived in (("webhook", posted), ("server-sent event", streamed))
        for row in _rows(way, [(arrived[c] - sent[c]) * 1000 for c in cameras[warm_up:]])
    ]


def _rows(way: str, waits_ms: list[float]) -> list[Row]:
    return [
        report(way, "p50 ms", median(waits_ms)),
        report(way, "p95 ms", quantiles(waits_ms, n=20)[18], "<= 300"),
    ]


def _detect(broker: redis.Redis, camera: str, number: int) -> float:
    """Publish a detection after a pause. Returns when."""
    time.sleep(PAUSES_S[number % len(PAUSES_S)])
    detection = json.dumps(
        {"detection_id": f"of-{camera}", "camera_id": camera, "confidence": 0.9, "plate": PLATE}
    )
    began = time.perf_counter()
    broker.xadd("detections", {"json": detection})
    return began


def _watch(place: Site) -> None:
    """Put the plate on a watch list, before the dispatcher reads the lists."""
    database = Database(place.addresses.database, max_size=1)
    database.open()
    try:
        rows = PostgresPlateListRows(database)
        rows.create(ListSettings(name="wanted", kind=ListKind.WATCH), "benchmark")
        rows.add("wanted", EntrySettings(plate=PLATE), "benchmark")
    finally:
        database.close()


@contextmanager
def _receiver(port: int, arrived: Arrivals) -> Iterator[None]:
    """A webhook's other end."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _note(arrived, body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def _note(arrived: Arrivals, body: dict[str, str]) -> None:
    arrived.setdefault(body["camera_id"], time.perf_counter())


def _listen(port: int) -> Listening | None:
    """Server-sent events from now on, None while the API does not answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.request("GET", LISTEN)
        answer = line.getresponse()
    except OSError:
        return None
    answer.readline()  # it says that it listens
    return line, answer


@contextmanager
def _hearing(listening: Listening, arrived: Arrivals) -> Iterator[None]:
    """Note what is heard during the block; then hang up, so that the API need not wait for us."""
    line, answer = listening
    listener = threading.Thread(target=_hear, args=(answer, arrived))
    listener.start()
    try:
        yield
    finally:
        if line.sock is not None:
            line.sock.shutdown(socket.SHUT_RDWR)
        listener.join()
        line.close()


def _hear(answer: http.client.HTTPResponse, arrived: Arrivals) -> None:
    with suppress(http.client.HTTPException, OSError):
        for text in answer:
            if text.startswith(b"data:"):
                body = json.loads(text.removeprefix(b"data:"))
                if body["event"] == "plate.hit":
                    _note(arrived, body)
