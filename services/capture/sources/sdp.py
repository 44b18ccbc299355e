"""What a camera says of its video in a session description (RFC 8866, RFC 6184)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from services.capture.sources.http import Unsuited
from services.capture.sources.rtp import CLOCK_HZ, START

_RTPMAP = re.compile(rf"rtpmap:(\d+) +H264/{CLOCK_HZ}\b", re.IGNORECASE)
_INTERLEAVED_MODE = "2"


@dataclass(frozen=True, slots=True)
class Track:
    """A camera's H.264. sets: its parameter sets, annex B; control: the address of its SETUP."""

    payload_type: int
    sets: bytes
    control: str


def video_track(description: str, base: str) -> Track:
    """Returns the first video of a description; `base` is what its addresses are relative to.

    Raises Unsuited where that is no H.264 in single units or fragments.
    """
    media = re.split(r"(?m)^m=", description)
    video = next((section for section in media[1:] if section.startswith("video ")), None)
    if video is None:
        raise Unsuited("no video")
    attributes = [line[2:].strip() for line in video.splitlines() if line.startswith("a=")]
    found = next((m for a in attributes if (m := _RTPMAP.match(a)) is not None), None)
    if found is None:
        raise Unsuited("no H.264")
    parameters = _parameters(attributes, found[1])
    if parameters.get("packetization-mode") == _INTERLEAVED_MODE:
        raise Unsuited("H.264 in interleaved units")
    control = next((a[8:] for a in attributes if a.lower().startswith("control:")), "*")
    return Track(
        int(found[1]), _sets(parameters.get("sprop-parameter-sets", "")), _address(base, control)
    )


def _parameters(attributes: list[str], payload_type: str) -> dict[str, str]:
    told = next(
        (a.split(" ", 1)[1] for a in attributes if a.startswith(f"fmtp:{payload_type} ")), ""
    )
    pairs = (pair.strip().partition("=") for pair in told.split(";"))
    return {name.lower(): value for name, _, value in pairs}


def _sets(told: str) -> bytes:
    try:
        units = [base64.b64decode(unit, validate=True) for unit in told.split(",") if unit]
    except binascii.Error:
        return b""  # those in the stream count
    return b"".join(START + unit for unit in units if unit)


def _address(base: str, control: str) -> str:
    if control == "*":
        return base
    if urlsplit(control).scheme:
        return control
    # Cameras mean "below": an address that ends with a name or options gets a slash in between.
    return urljoin(base, control) if control.startswith("/") else f"{base.rstrip('/')}/{control}"
