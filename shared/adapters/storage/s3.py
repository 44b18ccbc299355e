"""Objects in any S3-compatible store, by plain calls only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.helpers import check_bucket_name

from shared.adapters.storage.address import S3Address
from shared.adapters.storage.s3_pool import PATIENCE_SECONDS, S3Pool
from shared.adapters.storage.s3_reasons import reason, refusal
from shared.adapters.storage.s3_upload import upload
from shared.domain.errors import BadInput, NotFound, Retryable
from shared.domain.ports import Allowed, Clock, StoredObject, StoreSpace

CHUNK = 1 << 20
AWAY_SECONDS = 5.0
DELETE_BATCH = 1000
_NO_KEY = {"NoSuchKey", "NoSuchObject"}
_ABSENT = {*_NO_KEY, "NoSuchBucket"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MinioObjects:
    """Implements the port `ObjectStore` in one bucket.

    Every clip is one PUT from file to socket, so a kill leaves no multipart upload behind. After a
    call without an answer, further calls fail at once for a few seconds, so that callers go on with
    other work instead of waiting for the next timeout. An upload that is slow, or that its caller
    gave up, says nothing about the store.
    """

    def __init__(
        self,
        address: S3Address,
        clock: Clock,
        patience_s: float = PATIENCE_SECONDS,
        public_url: str | None = None,
    ) -> None:
        self._clock = clock
        self._address, self._bucket = address, address.bucket
        self._pool = S3Pool(patience_s)
        self._away_until = float("-inf")
        with _named("PLATEREEL_STORAGE_URL"):
            check_bucket_name(address.bucket)
            self._client = Minio(
                address.endpoint,
                access_key=address.access_key,
                secret_key=address.secret_key,
                secure=address.secure,
                region=address.region,
                http_client=self._pool,
            )
        self._public = None if public_url is None else _signing_client(address, public_url)

    def prepare(self) -> None:
        with self._kinds():
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)

    def close(self) -> None:
        self._pool.clear()

    def put(
        self,
        key: str,
        body: bytes | Path,
        content_type: str,
        *,
        patience_s: float | None = None,
        allowed: Allowed | None = None,
    ) -> None:
        """After the PUT, HEAD must return the same size."""
        with self._pool.patience(patience_s), self._kinds(key):
            size = upload(
                pool=self._pool,
                address=self._address,
                key=key,
                body=body,
                content_type=content_type,
                now_ms=self._clock.now_ms(),
                allowed=allowed,
            )
            stored = self._stat(key)
        if stored is None or stored.size_bytes != size:
            found = "nothing" if stored is None else f"{stored.size_bytes} bytes"
            raise Retryable(f"the store acknowledged {size} bytes and holds {found}", key=key)

    def get(self, key: str) -> bytes:
        return b"".join(self.stream(key))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A reply that ends early is Retryable."""
        with self._kinds(key):
            if length == 0:
                return
            try:
                response = self._client.get_object(
                    self._bucket, key, offset=start, length=length or 0
                )
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
        with self._kinds(key):
            return self._stat(key)

    def _stat(self, key: str) -> StoredObject | None:
        try:
            found = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if error.code in _NO_KEY:
                return None
            raise
        modified = (
            0 if found.last_modified is None else round(found.last_modified.timestamp() * 1000)
        )
        return StoredObject(key, found.size or 0, modified)

    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        with self._kinds():
            listed = self._client.list_objects(
                self._bucket, prefix=prefix, recursive=True, start_after=after or None
            )
            for found in listed:
                if not found.is_dir and found.object_name is not None:
                    modified = (
                        0
                        if found.last_modified is None
                        else round(found.last_modified.timestamp() * 1000)
                    )
                    yield StoredObject(found.object_name, found.size or 0, modified)

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """The client deletes only while its answer is read, so it is read to the end."""
        failed: dict[str, str] = {}
        for at in range(0, len(keys), DELETE_BATCH):
            batch = [DeleteObject(key) for key in keys[at : at + DELETE_BATCH]]
            with self._kinds():
                for error in self._client.remove_objects(self._bucket, batch):
                    if error.code not in _ABSENT:
                        failed[error.name or ""] = error.code or "unknown"
        return failed

    def abandon_uploads(self, before_ms: int) -> int:
        """Aborts multipart uploads that nobody will complete.

        Platereel begins none; another tool may have.
        """
        with self._kinds():
            listed = self._client._list_multipart_uploads(self._bucket)  # noqa: SLF001 - minio-py has no public call
            stale = [
                u
                for u in listed.uploads
                if (u.initiated_time or _EPOCH).timestamp() * 1000 < before_ms
            ]
            for upload in stale:
                self._client._abort_multipart_upload(  # noqa: SLF001
                    self._bucket, upload.object_name, str(upload.upload_id)
                )
        return len(stale)

    def presigned(self, key: str, seconds: float, file_name: str, content_type: str) -> str | None:
        """Signed for the public address, without asking the server."""
        if self._public is None:
            return None
        headers = {
            "response-content-disposition": f'attachment; filename="{file_name}"',
            "response-content-type": content_type,
        }
        return self._public.presigned_get_object(
            self._bucket, key, expires=timedelta(seconds=seconds), response_headers=dict(headers)
        )

    def room(self) -> StoreSpace | None:
        """None: S3 has no call for it."""
        return None

    @contextmanager
    def _kinds(self, key: str = "") -> Iterator[None]:
        if self._clock.monotonic() < self._away_until:
            raise Retryable("the store did not answer a moment ago", key=key)
        try:
            yield
        except S3Error as error:
            if error.code in _NO_KEY:
                raise NotFound(f"there is no object {key}", key=key) from error
            # Also a key that is wrong, or a bucket that is not there: a person mends it, and
            # footage waits until then.
            raise Retryable(refusal(error.code), key=key, at=self._address.endpoint) from error
        except (ServerError, MinioException) as error:
            raise Retryable(reason(error), key=key, at=self._address.endpoint) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._away_until = self._clock.monotonic() + AWAY_SECONDS
            raise Retryable(reason(error), key=key, at=self._address.endpoint) from error


@contextmanager
def _named(variable: str) -> Iterator[None]:
    """Raise BadInput for an address that the client refuses."""
    try:
        yield
    except ValueError as error:
        raise BadInput(variable, f"cannot be used: {error}") from None


def _signing_client(address: S3Address, public_url: str) -> Minio:
    """Returns a client that only signs; with a region it never connects."""
    parts = urlsplit(public_url)
    with _named("PLATEREEL_STORAGE_PUBLIC_URL"):
        return Minio(
            parts.netloc,
            access_key=address.access_key,
            secret_key=address.secret_key,
            secure=parts.scheme == "https",
            region=address.region,
        )
