"""Pictures of every view of the page at three sizes, for the documents: `make pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.browser import HEIGHTS, SIZES, chromium, looking
from tests.support.deployment import Deployment
from tests.support.site import CONFIG, VIEWS, WANTED, both, read
from tests.support.waiting import wait_until

FOLDER = Path(__file__).parents[2] / "docs/images"
SHOWN = (
    "live",
    "camera",
    "pass",
    "hits",
    "list",
    "timeline",
    "clip",
    "incident",
    "health",
    "keys",
    "access",
)
MOST_WIDE, QUALITY, RECORDING_S = 1920, 82, 45
YARD = '  yard: {source: "synthetic:street?seed=3&first=4&interval=14", detect: true}\n'


def main() -> None:
    """Record for a while, then look at everything."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        site = Deployment(Path(folder), CONFIG + YARD)
        try:
            site.start()
            lists = "/v2/video/lists"
            for name, kind in (("wanted", "watch"), ("staff", "known")):
                site.fetch("POST", lists, {"name": name, "kind": kind})
            for plate, why in (
                (WANTED, "stolen"),
                ("AB12CDE", "owes a fine"),
                ("ZZ99*", "a series"),
            ):
                body = {"plate": plate, "reason": why, "tolerance": 0 if "*" in plate else 0.1}
                site.fetch("POST", f"{lists}/wanted/entries", body)
            wait_until("clips", lambda: both(site), 180)
            with looking(browser, site.run["api_url"]) as looker:
                looker.page.wait_for_timeout(RECORDING_S * 1000)
                for plate in (WANTED, "AB12CDE"):
                    read(site, plate=plate)
                for view in SHOWN:
                    looker.open("#/passes")
                    looker.open(VIEWS[view](site))
                    for width in SIZES:
                        size = {"width": width, "height": HEIGHTS[width]}
                        looker.page.set_viewport_size(size)  # type: ignore[arg-type]
                        looker.page.emulate_media(color_scheme="light" if width == 1280 else "dark")
                        looker.page.wait_for_timeout(2500)
                        _keep(looker.page.screenshot(), FOLDER / f"page-{view}-{width}.webp")
                looker.complaints.clear()
        finally:
            site.stop()


def _keep(png: bytes, path: Path) -> None:
    decoded: Any = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    picture: NDArray[np.uint8] = decoded
    height, width = picture.shape[:2]
    if width > MOST_WIDE:
        size = (MOST_WIDE, height * MOST_WIDE // width)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
