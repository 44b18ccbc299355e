"""What of a URL is shown, in a page as in the middle of a sentence, and what is said of one that
cannot be read.
"""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from platereel.cli.configure import check
from shared.runtime.configuration import ConfigurationError, load
from shared.runtime.logs import configure, logger
from shared.wire.urls import encoded, masked, shown, unusable_source

# Whatever people make passwords of; a line's end is refused where a source is read.
PASSWORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=24
)
SHAPES = (
    "rtsp://admin:{}@camera:1/stream",
    "rtsp://{}@camera:1/stream",
    "rtsp://:{}@camera:1",
    "http://camera:1/snapshot?user=admin&pass={}",
    "http://camera:1/snapshot?api_key={}&poll=2",
    "rtsp://camera:1/user=admin_password={}_channel=1",
    "https://admin:{}@camera:1/x?pass={}",
    "rtsp://camera:1/{}",
    "redis://:{}@camera:1/0",
    "postgresql://user:{}@camera:1/name",
    "s3://KEY:{}@camera:1/bucket?secure=false",
)


@given(PASSWORDS, st.sampled_from(SHAPES))
def test_no_piece_of_any_password_is_shown(password: str, shape: str) -> None:
    url = shape.format(password, password)
    scheme = url.partition("://")[0]
    assert shown(url) in {f"{scheme}://camera:1", f"{scheme}://***"}


@given(
    PASSWORDS.filter(lambda password: not any(c.isspace() for c in password)),
    st.sampled_from(SHAPES),
)
def test_nor_in_the_middle_of_a_sentence(password: str, shape: str) -> None:
    url = shape.format(password, password)
    scheme = url.partition("://")[0]
    said = masked(f"camera gate-1: {url} cannot be read\nsecond line")
    assert said.startswith(f"camera gate-1: {scheme}://")
    rest = said.removeprefix(f"camera gate-1: {scheme}://").removesuffix(
        " cannot be read\nsecond line"
    )
    assert rest.strip("\"'`),;:>]") in {"camera:1", "***"}


@pytest.mark.parametrize(
    ("source", "as_shown"),
    [
        (
            "http://127.0.0.1:9/cgi-bin/snapshot?loginuse=admin&loginpas=hunter2",
            "http://127.0.0.1:9",
        ),
        ("rtsp://127.0.0.1:9/user=admin_password=hunter2_channel=1", "rtsp://127.0.0.1:9"),
        ("rtsp://127.0.0.1:9/user=admin_password=hun@ter2_channel=1", "rtsp://127.0.0.1:9"),
        ("rtsp://admin:hun/ter2@127.0.0.1:9/x", "rtsp://***"),
        ("rtsp://admin:12345/6@127.0.0.1:9/x", "rtsp://***"),
        ("rtsp://TOKENTOKEN@gate-1/x", "rtsp://gate-1"),
        ("rtsps://[2001:db8::1]:322/x", "rtsps://[2001:db8::1]:322"),
        ("file:/films/a?b.mp4?speed=2", "file:/films/a?b.mp4?speed=2"),
        ("file:rtsp://admin:hunter2@h/x", "file:***"),
        ("file:///films/a.mp4", "file:///films/a.mp4"),
        ("synthetic:street?size=640x360&fps=10", "synthetic:street?size=640x360&fps=10"),
        ("/dev/video0", "/dev/video0"),
        ("/dev/video0?hunter2", "/dev/video0"),
        ("file://admin:hunter2@nas/x.mp4", "file:***"),
        ("push:hunter2", "push:"),
        ("push://hunter2", "push:"),
        ("hunter2", "***"),
    ],
)
def test_what_is_shown_of_a_source(source: str, as_shown: str) -> None:
    assert shown(source) == as_shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'rtsp://admin:hun/ter2@h/x': refused", "'rtsp://***': refused"),
        ("(http://h:1/x?pass=abcd), again", "(http://h:1), again"),
        ("http://a/x and rtsp://u:p@b/y failed", "http://*** failed"),
        ("http://a/x, http://b/y?pass=abcd", "http://a, http://b"),
        ("begins with none of redis://, rediss://", "begins with none of redis://, rediss://"),
        ("nothing to hide: user@host", "nothing to hide: user@host"),
    ],
)
def test_urls_inside_of_sentences(text: str, said: str) -> None:
    assert masked(text) == said


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("rtsp://admin:{}@h/x", "rtsp://admin:p%40ss%2Fw%23rd%251@h/x"),
        ("rtsp://{}@h/x", "rtsp://p%40ss%2Fw%23rd%251@h/x"),
        ("http://h/x?user=admin&pass={}&b=1", "http://h/x?user=admin&pass=p%40ss%2Fw%23rd%251&b=1"),
        (
            "rtsp://h/user=admin_password={}_channel=1",
            "rtsp://h/user=admin_password=p%40ss%2Fw%23rd%251_channel=1",
        ),
        ("file:/films/{}.mp4", "file:/films/p%40ss/w%23rd%251.mp4"),
        ("{}", "p@ss/w#rd%1"),
        ("{}://h/x", "p@ss/w#rd%1://h/x"),
        ("rtsp://{}/x", "rtsp://p@ss/w#rd%1/x"),
        ("rtsp://{}", "rtsp://p@ss/w#rd%1"),
        ("synthetic:{}", "synthetic:p@ss/w#rd%1"),
    ],
)
def test_a_value_is_encoded_for_its_place(template: str, filled: str) -> None:
    before, after = template.split("{}")
    assert before + encoded("p@ss/w#rd%1", before, after) + after == filled


def test_user_and_password_in_one_variable_stay_two() -> None:
    assert encoded("admin:p@ss", "rtsp://", "@h/x") == "admin:p%40ss"
    assert encoded("p:ss", "rtsp://admin:", "@h/x") == "p%3Ass"


def test_a_password_of_the_environment_is_filled_in_where_a_source_is_read(tmp_path: Path) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(
        "cameras:\n  a: {source: 'rtsp://{PLATEREEL_USER}:{PLATEREEL_PASSWORD}@h/x'}\n"
        "  b: {source: '{PLATEREEL_WHOLE}'}\n"
        "webhooks: [{name: w, url: 'https://h/{PLATEREEL_PATH}', secret: '{PLATEREEL_PASSWORD}-and-much-longer'}]\n"
    )
    environ = {
        "PLATEREEL_USER": "a@b", "PLATEREEL_PASSWORD": "p@ss/w#rd%1", "PLATEREEL_WHOLE": "rtsp://u:p%40@h/x",
        "PLATEREEL_PATH": "a/b?c",
    }  # fmt: skip
    settings = load(path, environ)
    assert settings.source("a") == "rtsp://a%40b:p%40ss%2Fw%23rd%251@h/x"
    assert settings.source("b") == "rtsp://u:p%40@h/x"
    (webhook,) = settings.webhooks
    # a webhook's address is as it is given
    assert webhook.url.get_secret_value() == "https://h/a/b?c"
    assert webhook.secret.get_secret_value() == "p@ss/w#rd%1-and-much-longer"


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:hun/ter2@h/x",
        "rtsp://admin:hun?ter2@h/x",
        "rtsp://admin:hun#ter2@h/x",
        "rtsp://admin:hun",
        "rtsp://admin:hunter2@/x",
        "http://h:99999/x",
        "http://h/hun ter2",
        "rtsp://",
        "http://h:hunter2/x",
        "rtsp://admin:hunter2@h\n/x",
        "rtsp://admin:hun@ter/2@h/x",
    ],
)
def test_a_source_that_cannot_be_read_is_refused_in_words(
    tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text("cameras:\n  gate: {source: " + json.dumps(source) + "}\n")
    with pytest.raises(ConfigurationError, match=r":2: cameras\.gate\.source: ") as caught:
        check(path)
    assert "hun" not in str(caught.value) + "".join(capsys.readouterr())
    assert str(unusable_source(source)) in str(caught.value)


def test_config_check_shows_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(
        "cameras:\n"
        "  foscam: {source: 'http://127.0.0.1:9/cgi-bin/snapshot?loginuse=admin&loginpas=hunter2'}\n"
        "  xm: {source: 'rtsp://127.0.0.1:9/user=admin_password=hunter2_channel=1'}\n"
        "  token: {source: 'rtsp://hunter2@gate-1'}\n"
    )
    check(path)
    check(path, json=True)
    said = "".join(capsys.readouterr())
    assert "hunter2" not in said
    assert "xm: rtsp://127.0.0.1:9\n" in said


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_in_the_log_holds_no_password(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg's errors end with the address."""
    written = io.StringIO()
    before = logging.getLogger().handlers
    monkeypatch.setattr("sys.stderr", written)
    try:
        configure("capture", "info", style)
        try:
            raise OSError(5, "Input/output error", "rtsp://admin:hun/ter2@h/x")
        except OSError:
            logger("test").exception("camera_failed", camera_id="gate")
    finally:
        logging.getLogger().handlers = before
        structlog.reset_defaults()
    said = written.getvalue()
    assert "camera_failed" in said
    assert "Input/output error" in said
    assert "ter2" not in said
