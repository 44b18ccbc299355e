"""One PUT of an object of any size, from a file or from memory, in pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import ParseError

from minio.credentials.credentials import Credentials
from minio.error import S3Error, ServerError
from minio.signer import sign_v4_s3

from shared.adapters.allowance import Allowance
from shared.adapters.storage.address import S3Address
from shared.adapters.storage.s3_pool import S3Pool
from shared.domain.ports import Allowed
from shared.domain.timing import from_ms

_OK = 200
_UNSIGNED = "UNSIGNED-PAYLOAD"


def upload(
    pool: S3Pool,
    address: S3Address,
    key: str,
    body: bytes | Path,
    content_type: str,
    *,
    now_ms: int,
    allowed: Allowed | None = None,
) -> int:
    """Store one object. Over plain HTTP the server checks its SHA-256, over TLS the transport does.

    minio-py would read the whole object into memory and hand it to the socket in one call. now_ms:
    the time in the signature. Returns the size in bytes. Raises what urllib3 raises, S3Error for
    the server's refusal, Conflict when `allowed` says no.
    """
    url = f"{'https' if address.secure else 'http'}://{address.endpoint}/{address.bucket}/{quote(key, safe='/~')}"
    with _opened(body) as source:
        size, digest = _measured(source, secure=address.secure)
        moment = from_ms(now_ms)
        headers = sign_v4_s3(
            method="PUT",
            url=urlsplit(url),
            region=address.region,
            headers={
                "Host": urlsplit(url).netloc,
                "Content-Type": content_type,
                "Content-Length": str(size),
                "x-amz-content-sha256": digest,
                "x-amz-date": f"{moment:%Y%m%dT%H%M%SZ}",
            },
            credentials=Credentials(address.access_key, address.secret_key),
            content_sha256=digest,
            date=moment,
        )
        answer = pool.urlopen(
            "PUT",
            url,
            body=Allowance(source, key, allowed),
            headers=headers,
            retries=False,
            sent_bytes=size,
        )
    if answer.status != _OK:
        try:
            raise S3Error.fromxml(answer)
        except (ParseError, UnicodeDecodeError) as error:
            raise ServerError(f"the store answered {answer.status}", answer.status) from error
    return size


@contextmanager
def _opened(body: bytes | Path) -> Iterator[io.BytesIO | io.BufferedReader]:
    with body.open("rb") if isinstance(body, Path) else io.BytesIO(body) as source:
        yield source


def _measured(source: io.BytesIO | io.BufferedReader, *, secure: bool) -> tuple[int, str]:
    """Returns the size in bytes, and what the signature says of the payload.

    `source` is at its beginning again.
    """
    digest = _UNSIGNED if secure else file_digest(source, "sha256").hexdigest()
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    return size, digest
