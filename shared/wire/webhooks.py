"""What a webhook receives: the event as JSON or as a CloudEvent, signed as Standard Webhooks
defines it. `webhook-signature` is `v1,` and the base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`.
`webhook-id` stays the same when a delivery is tried again, so that a receiver can tell.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

PREFIX = "whsec_"
PLAIN_TYPE, CLOUD_TYPE = "application/json", "application/cloudevents+json"


def body_of(name: str, event: Mapping[str, Any], source: str | None) -> tuple[bytes, str]:
    """Returns bytes and media type. `source` makes it a CloudEvent (1.0, structured mode)."""
    if source is None:
        return json.dumps({"event": name, **event}, separators=(",", ":")).encode(), PLAIN_TYPE
    data = {key: value for key, value in event.items() if key not in {"event_id", "at"}}
    cloud = {
        "specversion": "1.0", "id": event.get("event_id"), "source": source, "type": f"platereel.{name}",
        "time": event.get("at"), "subject": event.get("segment_id"), "datacontenttype": "application/json",
        "data": data,
    }  # fmt: skip
    return json.dumps(cloud, separators=(",", ":")).encode(), CLOUD_TYPE


def headers_of(
    identifier: str, seconds: int, body: bytes, media_type: str, secret: str
) -> dict[str, str]:
    """Returns the headers of one delivery, made at that time (seconds since 1970)."""
    return {
        "Content-Type": media_type,
        "User-Agent": "platereel",
        "webhook-id": identifier,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{_signature(identifier, seconds, body, secret)}",
    }


def _signature(identifier: str, seconds: int, body: bytes, secret: str) -> str:
    signed = f"{identifier}.{seconds}.".encode() + body
    return base64.b64encode(hmac.new(key_of(secret), signed, sha256).digest()).decode()


def key_of(secret: str) -> bytes:
    """Returns the key in a secret: of `whsec_…` the base64 behind it, else the text itself."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{PREFIX} is followed by base64") from error
