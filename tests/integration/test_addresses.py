"""A URL that does not work: which part is wrong, in words, by every way to the servers, and never a
secret.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from platereel.cli import main
from platereel.diagnosis import Health, examine
from shared.adapters.celery_queue import CeleryQueue, celery_app
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.reasons import no_connection
from shared.adapters.postgres.schema import current_version
from shared.adapters.redis.client import kinds, redis_client
from shared.adapters.redis.servers import frame_servers, ping
from shared.adapters.storage.opening import open_store
from shared.domain.errors import BadInput, Permanent, PlatereelError, Retryable, told
from shared.domain.timing import from_ms
from shared.runtime.addresses import addresses
from shared.runtime.configuration import ConfigurationError
from shared.runtime.settings import Settings
from shared.runtime.startup import when_ready
from tests.support.servers import Servers
from tests.support.waiting import wait_until
from tests.support.world import World
from workers.wiring import check_broker, check_servers

SECRET = "Secr3t!word"
NOWHERE = "nowhere.invalid"
PATIENCE_SECONDS = 10.0  # a host that stands still for a while must not hide the reason


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked for outside of this process."""
    usual = socket.getaddrinfo

    def local(host: Any, *rest: Any, **named: Any) -> object:
        if host == NOWHERE:
            raise socket.gaierror(-2, "Name or service not known")
        return usual(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", local)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of nobody's for this host, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = from_ms(SystemClock().now_ms())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.fixture
def tls(certificate: Path) -> Iterator[int]:
    """The port of a server that speaks TLS and nothing after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering(lambda line: context.wrap_socket(line, server_side=True).close()) as port:
        yield port


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that gives every connection to `answer` and then ends it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            with line, suppress(OSError):
                answer(line)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def at_port(url: str, port: int) -> str:
    return re.sub(r"(127\.0\.0\.1):\d+", rf"\1:{port}", url)


def with_password(url: str, password: str) -> str:
    return re.sub(r":[0-9a-f]{32}@", f":{password}@", url)


def said(look: Callable[[], object], kind: type[PlatereelError] = Retryable) -> str:
    with pytest.raises(kind) as caught:
        look()
    text = told(caught.value)
    assert SECRET not in text + repr(caught.value) + repr(caught.value.facts)
    return text


DATABASE = [
    (lambda url: with_password(url, SECRET), "refuses the user name or the password"),
    (lambda url: with_password(url, "a%40b"), "refuses the user name or the password"),
    (lambda url: re.sub(r":[0-9a-f]{32}@", "@", url), "refuses the user name or the password"),
    (lambda url: url.replace("platereel:", "nobody:"), "refuses the user name or the password"),
    (lambda url: url.rsplit("/", 1)[0] + "/nosuch", "has no database of the name"),
    (lambda url: at_port(url, 9), "nothing listens at its host and port"),
    (lambda url: url.replace("127.0.0.1", NOWHERE), "its host name does not resolve"),
    (lambda url: f"{url}?sslmode=require", "speaks no TLS"),
    (lambda url: f"{url}?sslmode=bogus", "an sslmode that does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), DATABASE)
def test_a_database(servers: Servers, change: Callable[[str], str], words: str) -> None:
    """By a connection of its own, by the pool, whose waiting hides the reason, and by `migrate`."""
    url = change(servers.postgres_url)
    assert words in said(lambda: current_version(url))
    assert words in said(lambda: migrate(url))
    database = Database(url, patience_s=1)
    database.open()
    try:
        # it connects beside whoever asks, and has no reason before it has tried
        wait_until("a first try", lambda: database._wrong)
        assert words in said(lambda: database.fetch_one("SELECT 1"))
    finally:
        database.close()


@pytest.mark.parametrize(
    "option", ["port=9", "host=127.0.0.1&port=9", "hostaddr=127.0.0.1&port=9", "%70ort=9"]
)
def test_a_place_that_was_not_asked_is_not_told(option: str) -> None:
    url = f"postgresql://u:{SECRET}@127.0.0.1/d?{option}"
    for look in (lambda: current_version(url), lambda: migrate(url)):
        assert said(look) == "the database does not answer: nothing listens at its host and port"
    only = f"postgresql:///d?{option}&host=127.0.0.1"
    assert (
        said(lambda: current_version(only))
        == "the database does not answer: nothing listens at its host and port"
    )


def test_what_is_no_database(servers: Servers, tls: int) -> None:
    assert "as a database does" in said(lambda: current_version(at_port(servers.postgres_url, tls)))
    assert "an option that cannot be read" in said(
        lambda: current_version(f"{servers.postgres_url}?x={SECRET}"), Permanent
    )
    assert "a part that cannot be read" in said(
        lambda: current_version(with_password(servers.postgres_url, f"{SECRET}%")), Permanent
    )


def asked(url: str, patience_s: float = PATIENCE_SECONDS) -> None:
    with redis_client(url, patience_s=patience_s) as client, kinds("broker"):
        client.ping()


def asked_frames(url: str, patience_s: float = PATIENCE_SECONDS) -> None:
    with frame_servers(url, patience_s=patience_s) as servers:
        ping(servers)


def sent(url: str) -> None:
    with redis_client(url) as client:
        CeleryQueue(celery_app(url), client).send("nothing", {})


REDIS = [
    (lambda url, _: with_password(url, SECRET), "refuses the user name or the password"),
    (lambda url, _: re.sub(r":[0-9a-f]{32}@", "", url), "wants a password, and is given none"),
    (lambda url, _: at_port(url, 9), "nothing listens at its host and port"),
    (lambda url, _: url.replace("127.0.0.1", NOWHERE), "its host name does not resolve"),
    (lambda url, _: url.replace("redis://", "rediss://"), "does not answer with TLS"),
    (at_port, "one that wants TLS is addressed as rediss://"),
    (lambda url, tls: at_port(url, tls).replace("redis://", "rediss://"), "a certificate that is not trusted"),
    (lambda url, _: re.sub(r"/0$", "/99", url), "no database of the number"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), REDIS)
def test_a_redis(servers: Servers, tls: int, change: Callable[[str, int], str], words: str) -> None:
    """The broker is called the broker, the frames Redis the frames Redis."""
    url = change(servers.redis_url, tls)
    # found out by waiting: that it waits for more
    patience_s = 1.0 if words == "does not answer with TLS" else PATIENCE_SECONDS
    broker, frames = (said(partial(ask, url, patience_s)) for ask in (asked, asked_frames))
    assert broker.startswith("the broker Redis ")
    assert frames.startswith("the frames Redis ")
    assert words in broker
    assert words in frames


@pytest.mark.parametrize("change", [REDIS[0][0], REDIS[2][0], REDIS[3][0]])
def test_a_message_to_a_broker(servers: Servers, change: Callable[[str, int], str]) -> None:
    url = change(servers.redis_url, 0)
    assert said(lambda: sent(url)) == said(lambda: asked(url))


def test_what_is_no_redis(servers: Servers) -> None:
    with answering(lambda line: line.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")) as port:
        assert "as a Redis does" in said(lambda: asked(at_port(servers.redis_url, port)))
    cluster = at_port(with_password(servers.redis_url, SECRET), 9).replace(
        "redis://", "redis+cluster://"
    )
    assert "nothing listens" in said(lambda: asked_frames(cluster))
    plain = servers.redis_url.replace("redis://", "redis+cluster://")
    assert "the frames Redis is no cluster: it is addressed as redis://" in said(
        lambda: asked_frames(plain)
    )
    for option in (f"{SECRET}=1", "socket_timeout=soon", "ssl_ca_certs=/nonexist"):
        for url in (servers.redis_url, servers.redis_url.replace("redis://", "redis+cluster://")):
            look = partial(asked_frames, f"{url}?{option}")
            assert "option" in said(look, Permanent)


STORES = [
    (lambda url, _: re.sub(r"//[0-9a-f]+:", "//nokey:", url), "the store refuses: "),
    (lambda url, _: with_password(url, SECRET), "the secret"),
    (lambda url, _: url.replace("/platereel?", "/nobucket?"), "no such bucket"),
    (lambda url, _: url.replace("secure=false", "secure=true"), "does not answer with TLS"),
    (lambda url, _: at_port(url, 9), "nothing listens at its host and port"),
    (lambda url, _: url.replace("127.0.0.1", NOWHERE), "its host name does not resolve"),
    (at_port, "one that wants TLS needs ?secure=true"),
    (
        lambda url, tls: at_port(url, tls).replace("secure=false", "secure=true"),
        "shows a certificate that is not trusted",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), STORES)
def test_a_store(servers: Servers, tls: int, change: Callable[[str, int], str], words: str) -> None:
    url = change(servers.storage_url, tls)
    assert words in said(
        lambda: list(open_store(url, SystemClock(), PATIENCE_SECONDS).walk("")), PlatereelError
    )


def test_what_is_no_store(servers: Servers) -> None:
    head = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"
    answer = head + b"Client sent an HTTP request to an HTTPS server."
    with answering(lambda line: line.recv(4096) and line.send(answer)) as port:
        url = at_port(servers.storage_url, port)
        assert "does it want TLS" in said(
            lambda: list(open_store(url, SystemClock(), PATIENCE_SECONDS).walk(""))
        )


UNREADABLE = [
    ("database_url", "postgresql://u:Secr3t!word/@h/d", "write / as %2F"),
    ("database_url", "postgresql://u:Secr3t!word@@h/d", "@ as %40"),
    ("database_url", "postgresql://u:Secr3t!word%off@h/d", "write % as %25"),
    ("database_url", "postgresql+psycopg://u:Secr3t!word@h/d", "begins with postgresql+psycopg://: write postgresql://"),
    ("database_url", "host=h password=Secr3t!word", "begins with none of postgresql://, postgres://"),
    ("database_url", "postgresql://u:Secr3t!word@h:port/d", "is no port"),
    ("database_url", "postgresql://u:Secr3t!word @h/d", "a space is written %20"),
    ("broker_url", "redis://:Secr3t!word#t@h:6379/0", "write / as %2F, ? as %3F, # as %23"),
    ("broker_url", "redis://:Secr3t!word?t@h:6379/0", "write / as %2F, ? as %3F"),
    ("broker_url", "redis://:Secr3t!word/t@h:6379/0", "write / as %2F"),
    ("broker_url", "redis://:12345/Secr3t!word@h:6379/0", "write / as %2F"),
    ("broker_url", "127.0.0.1:6379", "begins with none of redis://, rediss://"),
    ("broker_url", "redis+cluster://:Secr3t!word@h:6379/0", "begins with redis+cluster://: write redis://"),
    ("frames_url", "redis://:Secr3t!word@h:99999/0", "is no port"),
    ("frames_url", "redis://:Secr3t!word@h:6379/first", "no database's number"),
    ("frames_url", "redis://:Secr3t!word@a..b:6379/0", "no name and no address"),
    ("storage_url", "s3://AK:Secr3t!word/def+gh@127.0.0.1:9000/platereel?secure=false", "write / as %2F"),
    ("storage_url", "https://AK:Secr3t!word@127.0.0.1:9000/platereel", "begins with none of s3://, file://"),
    ("storage_url", "s3://AK:Secr3t!word@h:port/platereel", "is no port"),
]  # fmt: skip
FINE = {
    "database_url": "postgresql://u:pa#s?s%40@%2Fvar%2Frun,[::1]:5432,h/d?sslmode=require&options=-cfoo%3D1",
    "frames_url": "rediss+cluster://u:p%2Fw@[2001:db8::1]:6379", "broker_url": "redis://h/3?socket_timeout=2",
    "storage_url": "s3://AK:a%2Fb@minio:9000/platereel?secure=false",
}  # fmt: skip


def settings_with(**urls: str) -> Settings:
    return Settings().model_copy(
        update={name: SecretStr(url) for name, url in (FINE | urls).items()}
    )


@pytest.mark.parametrize(("name", "url", "words"), UNREADABLE)
def test_a_url_that_cannot_be_read(name: str, url: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        addresses(settings_with(**{name: url}))
    (problem,) = caught.value.problems
    assert problem.startswith(f"PLATEREEL_{name.upper()}: ")
    assert words in problem
    assert "Secr" not in problem
    assert "12345" not in problem


def test_urls_that_can_be_read() -> None:
    addresses(settings_with())
    addresses(
        settings_with(database_url="postgresql:///d?host=/tmp", storage_url="file:///a b/c?d")
    )
    addresses(settings_with(database_url="postgres://u@h?sslmode=require", frames_url="redis://"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://AK:Secr3t!word@h:9000/a", "bucket"),
        ("s3://AK:Secr3t!word@h:9000/a/b", "one bucket"),
        ("s3://AK:Secr3t!word@h:9000", "one bucket"),
        ("s3://Secr3t!word@h:9000/platereel", "KEY:SECRET"),
        ("s3://AK:Secr3t!word@h:9000/platereel?secure=Secr3t!word", "true or false"),
        ("s3://AK:Secr3t!word@h:x/platereel", "port"),
        ("file://h/x", "absolute path"),
    ],
)
def test_a_storage_url_that_cannot_be_used(url: str, words: str) -> None:
    assert words in said(lambda: open_store(url, SystemClock()), BadInput)


def changed(world: World, **urls: str) -> Settings:
    return world.settings.model_copy(update={name: SecretStr(url) for name, url in urls.items()})


def secret_of(world: World, name: str) -> str:
    value: SecretStr = getattr(world.settings, name)
    return value.get_secret_value()


def test_workers_and_beat_say_why_they_wait(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """They go on waiting for what a person mends, and have said it."""
    broker = changed(world, broker_url=with_password(secret_of(world, "broker_url"), SECRET))
    assert "the broker Redis refuses the user name or the password" in said(
        lambda: check_broker(broker)
    )
    assert "the broker Redis refuses the user name or the password" in said(
        lambda: check_servers(broker)
    )
    store = changed(world, storage_url="s3://AK:Secr3t!word@h:9000/a")
    assert "PLATEREEL_STORAGE_URL" in said(lambda: check_servers(store), BadInput)
    frames = changed(world, frames_url=secret_of(world, "frames_url") + "?nonsense=1")
    assert "nonsense" in said(lambda: check_servers(frames), Permanent)
    assert check_servers(world.settings)
    stopping = threading.Event()

    def look() -> bool:
        try:
            return check_broker(broker)
        finally:
            threading.Timer(1.0, stopping.set).start()

    capsys.readouterr()
    assert when_ready(look, stopping) is None
    told_of = "".join(capsys.readouterr())
    assert "waiting_to_start" in told_of
    assert "refuses the user name or the password" in told_of


def test_doctor_says_which_server_is_meant(world: World) -> None:
    found = {
        f.what: f
        for f in examine(changed(world, broker_url=at_port(secret_of(world, "broker_url"), 9)))
    }
    assert found["broker Redis"].health is Health.BROKEN
    assert found["broker Redis"].detail == (
        "the broker Redis does not answer: nothing listens at its host and port (127.0.0.1:9)"
    )
    assert found["database"].health is not Health.BROKEN or "schema" in found["database"].detail
    assert found["clocks"].detail.startswith("the broker Redis ")
    both = changed(
        world,
        storage_url=at_port(secret_of(world, "storage_url"), 9),
        database_url=at_port(secret_of(world, "database_url"), 9),
    )
    found = {f.what: f for f in examine(both)}
    assert found["database"].detail.startswith("the database does not answer: nothing listens")
    assert found["storage"].detail.startswith("the store does not answer: nothing listens")
    found = {f.what: f for f in examine(changed(world, storage_url="s3://AK:Secr3t!word@h:9000/a"))}
    assert found["addresses"].detail.startswith("PLATEREEL_STORAGE_URL: ")


@pytest.mark.parametrize(
    "command", ["doctor", "migrate", "api", "dispatch", "capture", "detect", "worker", "beat"]
)
@pytest.mark.parametrize(("name", "url", "words"), UNREADABLE[2:9:3])
def test_every_command_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
    name: str,
    url: str,
    words: str,
) -> None:
    for each, given in (FINE | {name: url}).items():
        monkeypatch.setenv(f"PLATEREEL_{each.upper()}", given)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["platereel", command])
    monkeypatch.setattr("platereel.cli.processes.stop_event", threading.Event)
    for module in ("capture", "detection", "dispatch", "api"):
        monkeypatch.setattr(f"services.{module}.__main__.stop_event", threading.Event)
    monkeypatch.setattr("platereel.cli.beginnings.configure", lambda *_: None)
    monkeypatch.setattr("platereel.cli.doctor.configure", lambda *_: None)
    monkeypatch.setattr("platereel.cli.configure.configure", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    text = "".join(capsys.readouterr()) + str(ended.value.code)
    assert f"PLATEREEL_{name.upper()}: " in text
    assert words in text
    assert "Secr" not in text
    assert "Traceback" not in text


SAID_BY_SERVERS = [
    (
        'FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "u", database "d", no encryption',
        "?sslmode=require",
    ),
    (
        'FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "u", database "d", SSL encryption',
        "pg_hba.conf",
    ),
    ('FATAL:  role "u" does not exist', "knows no such user"),
    ("FATAL:  sorry, too many clients already", "has no connection left"),
    ("FATAL:  the database system is starting up", "is starting or stopping"),
    ("SSL error: certificate verify failed", "a certificate that is not trusted"),
    ("FATAL:  Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", "does not answer"),
]


@pytest.mark.parametrize(("text", "words"), SAID_BY_SERVERS)
def test_what_other_databases_say(text: str, words: str) -> None:
    url = "postgresql://u:Secr3t!word@db.invalid:5432/d"
    error = no_connection(
        url, psycopg.OperationalError(f'connection to server at "db", port 5432 failed: {text}')
    )
    assert isinstance(error, Retryable)
    assert words in error.message
    assert told(error).endswith(" (db.invalid:5432)")
    assert "Secr" not in told(error)
