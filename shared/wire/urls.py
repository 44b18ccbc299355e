"""URLs as people write them: which part may be shown, why one cannot be read, and values that are
filled into one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

HIDDEN = "***"
RTSP = ("rtsp://", "rtsps://")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# a scheme alone is a word, as in "begins with http://"
_BEGUN_URL = re.compile(rf"{_URL.pattern}(?=[^\s\"'`),;>\]])")
_ENDS = re.compile(r"[/?#\\]")  # what ends the part of a URL with user, password, host and port
_ONE = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
_PLACE = re.compile(rf"{_ONE}(?:,{_ONE})*")
_NUMERIC_PLACE = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_PORT = re.compile(r":(?!6553[6-9]|655[4-9]|65[6-9]|6[6-9]|[7-9]\d{4})0*[1-9]\d{0,4}")
_WORD = re.compile(r"\S*?(?=[\"'`),;:>\]]*(?:\s|$))")
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f]")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_WRITTEN = "; in a user name or password write / as %2F, ? as %3F, # as %23, @ as %40 and % as %25"


def shown(source: str) -> str:
    """Returns a camera's source or a server's URL, fit for logs and pages: scheme, host and port.

    A local source is shown whole. Where it is unclear which part is the host, only the scheme is
    shown.
    """
    scheme, found, rest = source.partition("://")
    if source.startswith(("file:", "synthetic:", "/dev/video")):
        local = rest if scheme == "file" else source
        if "://" in local or (scheme == "file" and "@" in rest):
            return f"{source.partition(':')[0]}:{HIDDEN}"
        return source.partition("?")[0] if source.startswith("/dev/video") else source
    if source.startswith("push:"):
        return "push:"
    if not found:
        return HIDDEN
    if not _URL.fullmatch(f"{scheme}://"):
        return HIDDEN
    return f"{scheme}://{_place(rest) or HIDDEN}"


def _place(rest: str) -> str | None:
    """Returns host and port of what follows `scheme://`; None where a password may have been taken
    for them.
    """
    authority = _authority(rest)
    place = authority.rpartition("@")[2]
    if "@" in rest[len(authority) :]:
        # A slash in a password, or an @ in a path: only an address in numbers is no user name.
        return place if _NUMERIC_PLACE.fullmatch(authority) else None
    return place if _PLACE.fullmatch(place) else None


def _authority(rest: str, ends: re.Pattern[str] = _ENDS) -> str:
    return ends.split(rest, maxsplit=1)[0]


def masked(text: str) -> str:
    """Returns a text in which every URL is as it may be shown.

    A password may hold anything: in a line with an @, everything from the first URL to the last @
    is taken for one.
    """
    return "\n".join(_masked_line(line) if "://" in line else line for line in text.split("\n"))


def _masked_line(line: str) -> str:
    done, at = "", 0
    while (found := (_URL if line.rfind("@") > at else _BEGUN_URL).search(line, at)) is not None:
        last = max(line.rfind("@"), found.end() - 1)
        word = _WORD.match(line, last)
        end = len(line) if word is None else max(word.end(), found.end())
        done += line[at : found.start()] + shown(line[found.start() : end])
        at = end
    return done + line[at:]


def unreadable(url: str, schemes: Sequence[str], *, ends: str = "/?#") -> str | None:
    """Returns why a server's URL cannot be read, in words that contain nothing of it but its
    scheme; None for one that can. schemes: as `redis://`. ends: the characters that end user,
    password and host for the library that reads it.
    """
    scheme = next((each for each in schemes if url.startswith(each)), None)
    if scheme is None:
        return _no_scheme(url, schemes)
    if _UNWRITABLE.search(url):
        return "holds a space, a line's end or another character that no URL has; a space is written %20"
    rest = url.removeprefix(scheme)
    authority = _authority(rest, re.compile(f"[{re.escape(ends)}]"))
    after = rest[len(authority) :]
    if "@" in after.partition("?")[0] or ("@" in after and "@" not in authority):
        return f"its host cannot be told: {after[0]} stands before an @{_WRITTEN}"
    if authority.count("@") > 1:
        return f"its host cannot be told: it has more than one @{_WRITTEN}"
    return _wrong_place(authority.rpartition("@")[2].partition("?")[0])


def _no_scheme(url: str, schemes: Sequence[str]) -> str:
    given = _URL.match(url)
    driver = (
        "" if given is None or "+" not in given.group() else f"{given.group().partition('+')[0]}://"
    )
    if given is not None and driver in schemes:
        return f"begins with {given.group()}: write {driver}"
    return f"begins with none of {', '.join(schemes)}"


def _wrong_place(place: str) -> str | None:
    """Returns what is wrong with host and port; a database may have several, with commas between
    them.
    """
    for each in place.split(","):
        host, port = each, ""
        if not each.endswith("]") and ":" in each:
            host, _, port = each.rpartition(":")
            port = f":{port}"
        if port and not _PORT.fullmatch(port):
            return f"what follows the colon of its host is no port from 1 to 65535{_WRITTEN}"
        if host and not _is_name(host):
            return f"its host is no name and no address{_WRITTEN}"
    return None


def _is_name(host: str) -> bool:
    """Returns whether a host can be looked up at all; a database's may be a folder,
    percent-encoded.
    """
    if not _PLACE.fullmatch(re.sub(r"%2[Ff]", "", host)):
        return False
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def bad_percent(url: str) -> str | None:
    """Returns why a reader that is strict about percent signs refuses a URL; None where it does
    not.
    """
    if _BAD_PERCENT.search(url):
        return "a % stands in it that begins no percent-encoded character: write % as %25 in a user name or password"
    return None


def unusable_source(source: str) -> str | None:
    """Returns why no camera can be reached at a network source, in words without a part of it; None
    where one may be.
    """
    rest = source.partition("://")[2]
    if _UNWRITABLE.search(source):
        return "holds a space, a line's end or another character that no URL has; a space is written %20"
    authority = _authority(rest)
    if "@" in authority and "@" in rest[len(authority) :].partition("?")[0]:
        return f"its host cannot be told: {rest[len(authority)]} stands before an @{_WRITTEN}"
    place = authority.rpartition("@")[2]
    if not place or place.startswith(":"):
        return f"it has no host{_WRITTEN}"
    return _wrong_place(place)


def encoded(value: str, before: str, after: str) -> str:
    """Returns a value as it is filled in between two pieces of a source: percent-encoded for its
    place. Unchanged where it is a whole source, a scheme or a host, and in sources that are no URL.
    In the path of a file its slashes stay.
    """
    if before.startswith("file:"):
        return quote(value, safe="/")
    scheme = _URL.match(before)
    if scheme is None:
        return value
    ahead = before[scheme.end() :]
    if not _ENDS.search(ahead) and "@" not in _authority(after):
        return value
    # Alone before the @ it may be a token, or user and password together.
    return quote(value, safe=":" if not ahead and after.startswith("@") else "")
