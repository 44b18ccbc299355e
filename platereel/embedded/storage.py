"""The S3 server of the embedded deployment. None of its ports gives data to anybody without a key.

SeaweedFS is several servers in one process, and by default only its S3 port asks for credentials.
Here the others speak gRPC with certificates that are made at each start, the volumes ask for a
token with every read and write, and the index of files answers every HTTP request but its health
check with 401. What any user of this machine can still read: that the servers live, how much room
they have, the numbers of their volumes, and the path of the folder they are in.
"""

from __future__ import annotations

import io
import json
import secrets
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from minio import Minio

from platereel.embedded.processes import Command, free_ports
from platereel.embedded.servers import Server, private_folder, write_private
from shared.adapters.storage.s3_pool import S3Pool

PROBE_SECONDS = 2.0
BUCKET = "platereel"
# Made again at every start, and by no clock: that of a host may be wrong, and these are for the
# host alone.
VALID_FROM, VALID_UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
AUTHORITY = "platereel storage authority"
_GRPC = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT")
_TOKENS = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")


def storage(folder: Path, key: str, secret: str) -> Server | None:
    """Returns a SeaweedFS as the S3 server; None where its package has no wheel (then files replace
    it).
    """
    if not _weed().exists():
        return None
    data = private_folder(folder / "storage")
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {
        "name": "platereel",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": actions,
    }
    config = folder / ".storage.json"
    write_private(config, json.dumps({"identities": [identity]}))
    flags = [
        "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
        "filer.port.grpc",
    ]  # fmt: skip
    ports = dict(zip(flags, free_ports(len(flags)), strict=True))
    argv = [
        str(_weed()), "-logtostderr=true", "server", "-s3", "-filer", "-disableHttp", "-dir", str(data),
        "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-s3.config", str(config),
        *(part for flag, port in ports.items() for part in (f"-{flag}", str(port))),
        "-s3.port.iceberg", "0", "-s3.port.lance", "0", "-volume.max", "0", "-master.volumeSizeLimitMB", "1024",
        "-master.telemetry=false",
    ]  # fmt: skip
    s3 = ports["s3.port"]
    url = f"s3://{key}:{secret}@127.0.0.1:{s3}/{BUCKET}?secure=false&region=us-east-1"
    pool = S3Pool(PROBE_SECONDS)  # one try: its caller waits for the server and asks again
    client = Minio(
        f"127.0.0.1:{s3}", key, secret, secure=False, region="us-east-1", http_client=pool
    )

    def probe() -> None:
        """Write an object: ListBuckets answers before a volume can take a write."""
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
        client.put_object(BUCKET, ".probe", io.BytesIO(b"1"), 1)
        client.remove_object(BUCKET, ".probe")

    environment = {"GOMEMLIMIT": "400MiB", **_locks(private_folder(folder / ".storage-tls"))}
    # Asked to stop, it waits 15 s for its own subscribers. What it has acknowledged is in the
    # kernel's hands by then.
    log = folder / "logs" / "storage.log"
    # Each of its servers also has a socket for its owner alone, at a place that cannot be chosen.
    kinds = ((flag.split(".")[0], port) for flag, port in ports.items())
    leaves = [
        Path(f"/tmp/seaweedfs-{name}-{port}.sock")  # noqa: S108
        for kind, port in kinds
        for name in (kind, f"{kind}-grpc")
    ]
    command = Command(
        name="storage",
        argv=argv,
        log=log,
        env=environment,
        stop_signal=signal.SIGKILL,
        death_signal=signal.SIGKILL,
        leaves=leaves,
    )
    return Server(command, url, probe)


def _locks(folder: Path) -> Mapping[str, str]:
    """Returns settings by which every port but S3's asks for a certificate or a token, both made
    for this start.
    """
    authority = ec.generate_private_key(ec.SECP256R1())
    own = ec.generate_private_key(ec.SECP256R1())
    issuer = _certificate(AUTHORITY, authority, authority)
    certificate = _certificate("storage", own, authority)
    places = {name: folder / f"{name}.pem" for name in ("authority", "certificate", "key")}
    write_private(places["authority"], issuer.public_bytes(Encoding.PEM).decode())
    write_private(places["certificate"], certificate.public_bytes(Encoding.PEM).decode())
    plain = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(places["key"], plain.decode())
    locks = {f"WEED_{name}_KEY": secrets.token_hex(32) for name in _TOKENS}
    locks["WEED_GRPC_CA"] = str(places["authority"])
    for part in _GRPC:
        locks[f"WEED_GRPC_{part}_CERT"] = str(places["certificate"])
        locks[f"WEED_GRPC_{part}_KEY"] = str(places["key"])
    return locks


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """Returns a certificate for servers and clients, signed by the authority; the authority signs
    its own.
    """
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=key is signer, path_length=None), critical=True)
        .add_extension(both, critical=False)
        .sign(signer, hashes.SHA256())
    )


def _weed() -> Path:
    return Path(sys.executable).parent / "weed"
