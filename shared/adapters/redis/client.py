"""Redis connections.

Every timeout is set, no retry is hidden, and every driver error becomes one of our kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.adapters.redis.reasons import place, reason
from shared.domain.errors import Permanent, Retryable

SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
# A full disk under the append-only file, a script that runs, a replica that lost its master, a
# right that is missing.
_FOR_NOW = {"MISCONF", "BUSY", "NOREPLICAS", "NOPERM", "NOAUTH", "WRONGPASS"}
_FOR_NOW_ERRORS = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MaxConnectionsError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)


def redis_client(
    url: str, *, name: str = "platereel", patience_s: float = SOCKET_TIMEOUT_SECONDS
) -> redis.Redis:
    """Returns a client for binary data: RESP2, which is faster for blobs, and no retry of its own,
    because a retried XADD adds twice. patience_s: how long an answer may take; a blocking read adds
    its own wait.
    """
    with known_options():
        client: redis.Redis = redis.Redis.from_url(url, **client_options(name, patience_s))
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing yet
    return client


@contextmanager
def known_options() -> Iterator[None]:
    """Raise Permanent where a URL has an option that its client does not take."""
    try:
        yield
    except (TypeError, ValueError, redis.RedisError) as error:
        found = re.search(r"argument '(\w+)'|value for '(\w+)'", str(error))
        option = "an option" if found is None else f"the option {found[1] or found[2]}"
        raise Permanent(
            f"the URL of a Redis cannot be used: {option} is unknown, or has no such value"
        ) from None


def client_options(name: str, patience_s: float) -> dict[str, Any]:
    """Returns the options of every client, of a single server or of a cluster's nodes."""
    return {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": patience_s,
        "socket_connect_timeout": min(CONNECT_TIMEOUT_SECONDS, patience_s),
        "socket_keepalive": True,
        "health_check_interval": 5,
        "retry": Retry(NoBackoff(), 0),
        "client_name": name,
    }


@contextmanager
def kinds(what: str) -> Iterator[None]:
    """Map driver errors to Retryable. `what` names the server in the message."""
    try:
        yield
    except redis.exceptions.BusyLoadingError as error:
        raise Retryable(
            f"the {what} Redis does not answer: it is still loading what it kept"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.InvalidResponse) as error:
        raise Retryable(f"the {what} Redis {reason(error)}", **place(error)) from error
    except redis.exceptions.OutOfMemoryError as error:
        raise Retryable(f"the {what} Redis is at its maxmemory") from error
    except _FOR_NOW_ERRORS as error:
        raise Retryable(f"the {what} Redis refuses work for now: {type(error).__name__}") from error
    except redis.ResponseError as error:
        word = str(error).split(" ", 1)[0]
        if word == "DB":
            raise Retryable(
                f"the {what} Redis has no database of the number at the end of the URL"
            ) from error
        if word not in _FOR_NOW:
            raise
        raise Retryable(f"the {what} Redis refuses work for now: {word}") from error
