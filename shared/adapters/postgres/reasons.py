"""Why a database cannot be connected to, in words that contain nothing of its URL."""

from __future__ import annotations

import re
from urllib.parse import unquote

import psycopg

from shared.domain.errors import Permanent, PlatereelError, Retryable
from shared.wire.urls import HIDDEN, shown

# By the words of libpq, psycopg and the server; for a server of another language only the last line
# matches.
_WORDS = (
    (
        r"password authentication failed|no password supplied",
        "refuses the user name or the password",
    ),
    (r"role \".*\" does not exist", "knows no such user"),
    (r"database \".*\" does not exist", "has no database of the name at the end of the URL"),
    (
        r"no pg_hba.conf entry.*(no encryption|SSL off)",
        "takes nobody without TLS, or not from here: ?sslmode=require",
    ),
    (r"no pg_hba.conf entry", "takes nobody with this user name from here (pg_hba.conf)"),
    (r"does not support SSL", "speaks no TLS, and sslmode asks for it"),
    (
        r"certificate",
        "shows a certificate that is not trusted, or ?sslrootcert names no file that can be read",
    ),
    (r"invalid sslmode", "is asked with an sslmode that does not exist"),
    (r"failed to resolve|translate host name", "cannot be found: its host name does not resolve"),
    (r"Connection refused", "does not answer: nothing listens at its host and port"),
    (r"No route to host|unreachable", "does not answer: there is no way to its host"),
    (r"timeout expired|timed out", "does not answer in time: is this a database's host and port?"),
    (r"too many clients|connection slots", "has no connection left"),
    (r"starting up|shutting down|recovery", "is starting or stopping"),
    (
        r"closed the connection|received invalid response",
        "does not answer as a database does: is this its port?",
    ),
    (r"", "does not answer"),
)
_ELSEWHERE = re.compile(r"[?&](?:host|hostaddr|port|service)=")


def no_connection(url: str, error: psycopg.Error) -> PlatereelError:
    """Returns the error for a failed connection: Permanent where only another setting helps.

    `at` is host and port, if known.
    """
    text = str(error)
    if isinstance(error, psycopg.ProgrammingError):
        option = "an option" if "query parameter" in text else "a part"
        return Permanent(f"the URL of the database has {option} that cannot be read")
    words = next(words for pattern, words in _WORDS if re.search(pattern, text))
    return Retryable(f"the database {words}", **_place(url))


def _place(url: str) -> dict[str, object]:
    """Returns host and port; nothing where they cannot be told, or an option of the URL names
    another host.
    """
    place = shown(url).partition("://")[2]
    return {} if place in {"", HIDDEN} or _ELSEWHERE.search(unquote(url)) else {"at": place}
