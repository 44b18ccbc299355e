"""What proxies say of their clients, read strictly."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from starlette.datastructures import Headers

from services.api.auth.forwarded import Proxies, Unreadable, is_forwarded, is_secure, one_word

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def headers(*lines: tuple[str, str | bytes]) -> Headers:
    return Headers(raw=[(k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in lines])


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "10.0.0.1"),
        (["192.0.2.3"], "192.0.2.3"),
        (["198.51.100.1, 192.0.2.3"], "192.0.2.3"),
        (["198.51.100.1", "192.0.2.3"], "192.0.2.3"),
        (["garbage, 192.0.2.3"], "192.0.2.3"),
        (["192.0.2.3, 10.9.9.9", "10.8.8.8"], "192.0.2.3"),
        (["192.0.2.3:4001"], "192.0.2.3"),
        (["[2001:db8::7]:4001, fd00::1"], "2001:db8::7"),
        (["2001:DB8:0::7"], "2001:db8::7"),
        (["10.1.1.1, 10.2.2.2"], "10.0.0.1"),
    ],
)
def test_the_nearest_hop_that_is_no_proxy_counts(lines: list[str], client: str) -> None:
    assert (
        PROXIES.client(headers(*(("x-forwarded-for", line) for line in lines)), "10.0.0.1")
        == client
    )


@pytest.mark.parametrize(
    "line", ["", ",", "unknown", "_hidden", "192.0.2.300", "192.0.2.3 x", "192.0.2.3, ", "::1]"]
)
def test_a_hop_that_is_no_address_is_refused(line: str) -> None:
    with pytest.raises(Unreadable):
        PROXIES.client(headers(("x-forwarded-for", line)), "10.0.0.1")


def test_a_name_is_one_word_in_one_line() -> None:
    assert one_word(headers(("x-user", "jürgen")), "X-User") == "jürgen"
    assert one_word(headers(("x-user", " ")), "X-User") is None
    assert one_word(headers(), "X-User") is None
    for lines in (
        [b"\xff\xfe"],
        [b"ann", b"bob"],
        [b"ann", b""],
        [b"ann,bob"],
        [b"a\x1bb"],
        [b"a" * 129],
    ):
        with pytest.raises(Unreadable, match="X-User"):
            one_word(headers(*(("x-user", line) for line in lines)), "X-User")


def test_who_speaks_for_somebody_else_says_so() -> None:
    for name in ("x-forwarded-for", "x-forwarded-anything", "forwarded", "via", "x-real-ip"):
        assert is_forwarded(headers((name, ""))), name
    assert not is_forwarded(headers(("host", "127.0.0.1"), ("x-other", "1")))


def test_the_nearest_proxy_says_whether_it_was_asked_over_tls() -> None:
    for lines, secure in (
        (["https"], True),
        (["https", "http"], False),
        (["http, HTTPS"], True),
        ([], False),
    ):
        assert is_secure(headers(*(("x-forwarded-proto", line) for line in lines))) is secure
