"""Ed25519 signatures of evidence archives."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.domain.errors import BadInput

SEED_BYTES = 32


class Ed25519Signer:
    """Implements the port `Signer` with a key made of 32 secret bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, data: bytes) -> str:
        return base64.b64encode(self._key.sign(data)).decode()


def seed_of(text: str) -> bytes:
    """Returns the secret bytes of the setting; raises BadInput, which never repeats them."""
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise BadInput(
            "PLATEREEL_SIGNING_KEY", "32 random bytes in base64: openssl rand -base64 32"
        )
    return seed


def signed_by(data: bytes, signature: str, public_key: str) -> bool:
    """Returns whether the signature over `data` is of this key (both base64)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True
