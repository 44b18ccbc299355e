"""Storage addresses: `s3://KEY:SECRET@host:port/bucket?secure=false&region=…` or
`file:///folder`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from shared.domain.errors import BadInput
from shared.wire.urls import unreadable

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket and how to reach it."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = True
    region: str = "us-east-1"


def parse_storage_url(url: str) -> S3Address | Path:
    """The address in a URL; BadInput names what is wrong and never repeats the secret."""
    if url.startswith("file:"):
        path = unquote(url.removeprefix("file:").removeprefix("//"))
        if not path.startswith("/") or "\x00" in path:
            raise BadInput(
                "PLATEREEL_STORAGE_URL", "file:// takes an absolute path: file:///var/lib/platereel"
            )
        return Path(path)
    wrong = unreadable(url, ("s3://", "file://"))
    if wrong is not None:
        raise BadInput("PLATEREEL_STORAGE_URL", wrong)
    parts = urlsplit(url)
    bucket = parts.path.strip("/")
    if parts.hostname is None or not bucket or "/" in bucket:
        raise BadInput(
            "PLATEREEL_STORAGE_URL", "needs a host and one bucket, as host:9000/bucket after the @"
        )
    if parts.username is None or parts.password is None:
        raise BadInput("PLATEREEL_STORAGE_URL", "needs KEY:SECRET before the @")
    query = parse_qs(parts.query)
    unknown = query.keys() - {"secure", "region"}
    if unknown:
        raise BadInput("PLATEREEL_STORAGE_URL", f"unknown option {min(unknown)}")
    secure = query.get("secure", ["true"])[0]
    if secure not in _FLAGS:
        raise BadInput("PLATEREEL_STORAGE_URL", "secure is true or false")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    endpoint = host if parts.port is None else f"{host}:{parts.port}"
    return S3Address(
        endpoint=endpoint,
        bucket=bucket,
        access_key=unquote(parts.username),
        secret_key=unquote(parts.password),
        secure=_FLAGS[secure],
        region=query.get("region", ["us-east-1"])[0],
    )
