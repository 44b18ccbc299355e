"""Tokens of an identity provider, with a real JWKS over HTTP; and the API behind TLS of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi.testclient import TestClient

from services.api.auth.attempts import MOST_FAILURES
from services.api.wiring import build
from tests.support.http import serving
from tests.support.rows import ready
from tests.support.world import World

ISSUER, AUDIENCE = "https://id.example", "platereel"
KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


class _Keys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        body = json.dumps(
            {"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]}
        ).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def provider() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Keys)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def token(key: Any = KEY, *, kid: str = "one", algorithm: str = "ES256", **change: Any) -> str:
    body = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": datetime.now(UTC) + timedelta(minutes=5),
        "realm_access": {"roles": ["offline", "operator", "viewer"]}, **change,
    }  # fmt: skip
    given = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def api(world: World) -> Iterator[TestClient]:
    with provider() as url:
        jwt_ = {
            "jwks_url": url,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "role_claim": "realm_access.roles",
        }
        settings = world.settings.api.model_validate({"jwt": jwt_})
        app = build(world.settings.model_copy(update={"api": settings}))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            yield client


def test_a_token_says_who_may_what(world: World, api: TestClient) -> None:
    own, foreign = ready(world, "cam1", 0), ready(world, "cam2", 0)
    assert api.get("/v2/video/session").status_code == 401
    bearer = {"Authorization": f"Bearer {token(cameras=['cam1'])}"}
    assert api.get("/v2/video/session", headers=bearer).json() == {
        "name": "ann", "role": "operator", "lists": False, "cameras": ["cam1"], "csrf_token": None,
        "purpose_rule": "off",
    }  # fmt: skip
    assert api.get(f"/v2/video/segments/{own}", headers=bearer).status_code == 200
    assert api.get(f"/v2/video/segments/{foreign}", headers=bearer).status_code == 404
    assert api.delete(f"/v2/video/segments/{own}", headers=bearer).status_code == 403
    assert api.post("/v2/video/session", json={"key": token()}).status_code == 401, (
        "a session would outlive it"
    )


def test_a_claim_of_cameras_that_is_missing_means_none(world: World) -> None:
    """Providers leave an empty claim out. Where one is configured, a token without it is for no
    camera.
    """
    clip = ready(world, "cam1", 0)
    with provider() as url:
        jwt_ = {
            "jwks_url": url, "issuer": ISSUER, "audience": AUDIENCE, "role_claim": "realm_access.roles",
            "cameras_claim": "gates",
        }  # fmt: skip
        settings = world.settings.api.model_validate({"jwt": jwt_})
        app = build(world.settings.model_copy(update={"api": settings}))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            for gates, seen in (
                (None, []),
                ([], []),
                (7, []),
                (["cam1"], ["cam1"]),
                ("cam1 cam2", ["cam1", "cam2"]),
            ):
                bearer = {"Authorization": f"Bearer {token(gates=gates)}"}
                assert client.get("/v2/video/session", headers=bearer).json()["cameras"] == seen
                status = client.get(f"/v2/video/segments/{clip}", headers=bearer).status_code
                assert status == (200 if "cam1" in seen else 404)


def test_tokens_are_no_guesses(api: TestClient) -> None:
    """A page whose token is over polls on: its office is not shut out, and its next token is
    taken.
    """
    for _ in range(2 * MOST_FAILURES):
        over = token(exp=datetime.now(UTC) - timedelta(minutes=5))
        assert (
            api.get("/v2/video/session", headers={"Authorization": f"Bearer {over}"}).status_code
            == 401
        )
    assert (
        api.get("/v2/video/session", headers={"Authorization": "Bearer wrong"}).status_code == 401
    )
    assert (
        api.get("/v2/video/session", headers={"Authorization": f"Bearer {token()}"}).status_code
        == 200
    )


def test_what_looks_like_a_token_is_a_guess_where_none_is_taken(
    world: World, api: TestClient
) -> None:
    """At a login, which writes a line of the log for each."""
    statuses = [
        api.post("/v2/video/session", json={"key": "a.b.c"}).status_code
        for _ in range(MOST_FAILURES + 3)
    ]
    assert statuses == [401] * MOST_FAILURES + [429] * 3
    refused = world.database.fetch("SELECT FROM access_log WHERE action = 'session.refused'")
    assert len(refused) == MOST_FAILURES
    assert api.post("/v2/video/session", json={"key": token()}).status_code == 401, (
        "no guess, and no session either"
    )


@pytest.mark.parametrize(
    "made",
    [
        token(exp=datetime.now(UTC) - timedelta(minutes=5)),
        token(exp=None),
        token(iss="https://evil.example"),
        token(aud="another"),
        token(sub=None),
        token(realm_access={"roles": ["emperor"]}),
        token(OTHER),
        token(kid="two"),
        token("a shared secret, long enough for the algorithm", algorithm="HS256"),
        token().rsplit(".", 1)[0] + ".",
        "a.b.c",
    ],
)
def test_no_other_token_opens_anything(api: TestClient, made: str) -> None:
    assert (
        api.get("/v2/video/session", headers={"Authorization": f"Bearer {made}"}).status_code == 401
    )


def test_a_provider_that_is_away_is_told(world: World) -> None:
    jwt_ = {"jwks_url": "http://127.0.0.1:9/", "issuer": ISSUER, "audience": AUDIENCE}
    settings = world.settings.api.model_validate({"jwt": jwt_, "host": "0.0.0.0"})
    with TestClient(
        build(world.settings.model_copy(update={"api": settings})), base_url="http://127.0.0.1"
    ) as client:
        answer = client.get("/v2/video/session", headers={"Authorization": f"Bearer {token()}"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


def test_tls(world: World, tmp_path: Path) -> None:
    """The settings' certificate and key, as the process gives them to its server."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(KEY, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files[1].write_bytes(KEY.private_bytes(pem, pkcs8, plain))
    with pytest.raises(ValueError, match="go together"):
        world.settings.api.model_validate({"tls_certificate": str(files[0])})
    api = world.settings.api.model_validate(
        {"tls_certificate": str(files[0]), "tls_key": str(files[1])}
    )
    app = build(world.settings.model_copy(update={"api": api}))
    with (
        serving(app, ssl_certfile=api.tls_certificate, ssl_keyfile=api.tls_key) as url,
        urllib3.PoolManager(ca_certs=str(files[0])) as pool,
    ):
        address = url.replace("http://127.0.0.1", "https://localhost")
        assert pool.request("GET", f"{address}/healthz").json()["status"] == "ok"
