"""Objects in any S3-compatible store, through plain calls only."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from shared.adapters.storage_url import S3Address
from shared.domain.errors import NotFound, Permanent, Retryable
from shared.domain.ports import Clock, StoredObject

CHUNK = 1 << 20
SINGLE_PUT_BYTES = 1 << 30
DELETE_BATCH = 1000
_ABSENT = {"NoSuchKey", "NoSuchObject", "NoSuchBucket"}
_FOR_GOOD = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidBucketName", "NoSuchBucket"}


class MinioObjects:
    """Implements the port `ObjectStore` in one bucket.

    Every clip is one PUT (no multipart upload that a kill could leave half done), connections wait 2 s, replies 30 s,
    and two more tries are made: an upload's whole time is bounded by `timeout_s`, which callers keep below their lease.
    """

    def __init__(self, address: S3Address, clock: Clock) -> None:
        self._clock = clock
        self._bucket = address.bucket
        self._client = Minio(
            address.endpoint,
            access_key=address.access_key,
            secret_key=address.secret_key,
            secure=address.secure,
            region=address.region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=2, read=30),
                maxsize=8,
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            ),
        )

    def prepare(self) -> None:
        """See the port."""
        with _kinds():
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)

    def put(self, key: str, body: bytes | Path, content_type: str, timeout_s: float | None = None) -> None:
        """See the port; HEAD after the PUT must tell the same size."""
        with _kinds(key):
            if isinstance(body, Path):
                size = body.stat().st_size
                with body.open("rb") as source:
                    self._put(key, source, size, content_type, timeout_s)
            else:
                size = len(body)
                self._put(key, io.BytesIO(body), size, content_type, timeout_s)
        stored = self.head(key)
        if stored is None or stored.size_bytes != size:
            found = "nothing" if stored is None else f"{stored.size_bytes} bytes"
            raise Retryable(f"the store acknowledged {size} bytes and holds {found}", key=key)

    def _put(self, key: str, source: BinaryIO, size: int, content_type: str, timeout_s: float | None) -> None:
        data: BinaryIO = source
        if timeout_s is not None:
            data = cast("BinaryIO", _Deadline(source, self._clock, self._clock.monotonic() + timeout_s))
        part_size = max(5 << 20, min(size, SINGLE_PUT_BYTES))
        self._client.put_object(self._bucket, key, data, size, content_type=content_type, part_size=part_size)

    def get(self, key: str) -> bytes:
        """See the port."""
        return b"".join(self.stream(key))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See the port; a reply that ends early is Retryable."""
        with _kinds(key):
            if length == 0:
                return
            try:
                response = self._client.get_object(self._bucket, key, offset=start, length=length or 0)
            except InvalidResponseError:
                # Some servers answer an absent key with an error that is not S3's.
                if self.head(key) is None:
                    raise NotFound(f"there is no object {key}", key=key) from None
                raise
            try:
                yield from response.stream(CHUNK)
            finally:
                response.close()
                response.release_conn()

    def head(self, key: str) -> StoredObject | None:
        """See the port."""
        try:
            with _kinds(key):
                found = self._client.stat_object(self._bucket, key)
        except NotFound:
            return None
        modified = 0 if found.last_modified is None else round(found.last_modified.timestamp() * 1000)
        return StoredObject(key, found.size or 0, modified)

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        """See the port."""
        with _kinds():
            for found in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                if not found.is_dir and found.object_name is not None:
                    modified = 0 if found.last_modified is None else round(found.last_modified.timestamp() * 1000)
                    yield StoredObject(found.object_name, found.size or 0, modified)

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """See the port; the client deletes only while its answer is read, so it is read to the end."""
        failed: dict[str, str] = {}
        for at in range(0, len(keys), DELETE_BATCH):
            batch = [DeleteObject(key) for key in keys[at : at + DELETE_BATCH]]
            with _kinds():
                for error in self._client.remove_objects(self._bucket, batch):
                    if error.code not in _ABSENT:
                        failed[error.name or ""] = error.code or "unknown"
        return failed


class _Deadline(io.RawIOBase):
    """Feeds an upload and ends it when its time is over, however slowly the other side reads."""

    def __init__(self, source: BinaryIO, clock: Clock, until: float) -> None:
        self._source = source
        self._clock = clock
        self._until = until

    def read(self, size: int = -1) -> bytes:
        if self._clock.monotonic() > self._until:
            raise Retryable("the store took too long over an upload")
        return self._source.read(size)


@contextmanager
def _kinds(key: str = "") -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in {"NoSuchKey", "NoSuchObject"}:
            raise NotFound(f"there is no object {key}", key=key) from error
        kind = Permanent if error.code in _FOR_GOOD else Retryable
        raise kind(f"the store refuses: {error.code}", key=key) from error
    except (ServerError, MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Retryable(f"the store does not answer: {type(error).__name__}", key=key) from error
