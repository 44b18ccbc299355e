"""An HTTP camera that does what cheap cameras do: freezes, stops, sends half pictures, changes its
size, bursts.
"""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.pictures import numbered_jpeg

MODES = (
    "good",
    "frozen",
    "silent",
    "truncated",
    "empty",
    "huge",
    "absurd",
    "larger",
    "burst",
    "hangs_up",
    "noise",
)


class WildCamera:
    """One camera; set `mode` at any time."""

    def __init__(self, fps: float = 10) -> None:
        camera = self
        self.mode = "good"
        self.fps = fps
        self.number = 0
        self.running = True

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    while camera.running and camera.mode != "hangs_up":
                        body = camera.picture()
                        if body is not None:
                            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                            self.wfile.write(head.encode() + body + b"\r\n")
                        time.sleep(1 / (60 if camera.mode == "burst" else camera.fps))
                except OSError:
                    return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/video.mjpg"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def picture(self) -> bytes | None:
        """The next picture in this mode."""
        mode = self.mode
        if mode == "silent":
            return None
        if mode != "frozen":
            self.number += 1
        good = numbered_jpeg(self.number)
        if mode == "truncated":
            return good[: len(good) // 2]
        if mode == "empty":
            return b""
        if mode == "huge":
            return good[:-2] + bytes(30_000_000) + good[-2:]
        if mode == "absurd":
            return _with_size(good, 65_000, 65_000)
        if mode == "noise":
            return bytes(range(256)) * 20
        return numbered_jpeg(self.number, 640, 360) if mode == "larger" else good

    def close(self) -> None:
        """End."""
        self.running = False
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _with_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same JPEG with another size in its header."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[at + 4 :]
