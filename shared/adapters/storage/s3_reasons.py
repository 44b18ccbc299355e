"""Why an S3 store does not answer or refuses, in words that contain nothing of its secret."""

from __future__ import annotations

import socket

from minio.error import InvalidResponseError, ServerError
from urllib3 import exceptions

_REFUSALS = {
    "AccessDenied": "the key or the secret is wrong, or does not open this bucket",
    "InvalidAccessKeyId": "it does not know the key",
    "SignatureDoesNotMatch": "the secret is wrong",
    "NoSuchBucket": "it has no such bucket; `platereel migrate` makes it",
    "InvalidBucketName": "it takes no bucket of that name",
    "AuthorizationHeaderMalformed": "the bucket is of another region: ?region=",
    "RequestTimeTooSkewed": "this host's clock is wrong, or its own",
}


def refusal(code: str | None) -> str:
    """Returns what to say of an answer that is a refusal."""
    told = _REFUSALS.get(code or "")
    return f"the store refuses: {code}" if told is None else f"the store refuses: {told} ({code})"


def reason(error: BaseException) -> str:
    """Returns what to say of a request that S3 did not answer."""
    below = getattr(error, "reason", None)
    while isinstance(below, exceptions.HTTPError) and isinstance(error, exceptions.MaxRetryError):
        error, below = below, getattr(below, "reason", None)
    return f"the store {_words(error)}"


def _words(error: BaseException) -> str:
    match error:
        case exceptions.NameResolutionError() | socket.gaierror():
            return "cannot be found: its host name does not resolve"
        case exceptions.ConnectTimeoutError() if not isinstance(
            error, exceptions.NewConnectionError
        ):
            return "does not answer in time"
        case exceptions.NewConnectionError() if "refused" in str(error):
            return "does not answer: nothing listens at its host and port"
        case exceptions.SSLError() if "CERTIFICATE" in str(error):
            return "shows a certificate that is not trusted: SSL_CERT_FILE names its authority's"
        case exceptions.SSLError():
            return "does not answer with TLS: one without it needs ?secure=false"
        case exceptions.ProtocolError() | ConnectionError():
            return (
                "does not answer: it ended the connection (one that wants TLS needs ?secure=true)"
            )
        case InvalidResponseError():
            return "does not answer as an S3 store does: is this its port, and does it want TLS (?secure=true)?"
        case ServerError():
            return "does not answer: it has an error of its own"
        case exceptions.TimeoutError() | TimeoutError():
            return "does not answer in time"
    return f"does not answer: {type(error).__name__}"
