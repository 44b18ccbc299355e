"""An nginx that serves one folder, for as long as a block runs."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platereel.embedded.processes import free_ports

CONFIG = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def available() -> bool:
    """Whether there is an nginx to compare with."""
    return shutil.which("nginx") is not None


@contextmanager
def serving(root: Path, folder: Path) -> Iterator[str]:
    """The address of the folder `root`; nginx' own files go to `folder`."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, root=root), encoding="ascii")
    process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(folder / "error.log")])  # noqa: S603 - our own arguments
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                urllib.request.urlopen(address, timeout=1).close()
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield address
    finally:
        process.terminate()
        process.wait(10)
