"""A file of lines, the last of which signs all before it.

The last line is JSON (in CSV after `# `): when and by whom the file was made, by what it was
filtered, how many lines it has, their SHA-256, the key, and the signature over all of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.errors import BadInput
from shared.wire.bounded_json import load_json

FORMAT = "platereel-access-log/1"
CSV_MARK = "# "
_Text = Annotated[str, Field(max_length=4096)]


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    algorithm: Literal["Ed25519"]
    public: _Text


class _Seal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    format: Literal["platereel-access-log/1"]
    deployment: _Text
    made_at: _Text
    made_by: _Text
    asked: dict[str, Any]
    lines: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    key: _Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What is signed of a file. lines: beside the first of CSV, and the last."""

    deployment: str
    made_at: str
    made_by: str
    asked: Mapping[str, Any]
    lines: int
    sha256: str
    public_key: str

    def encode(self) -> bytes:
        """The bytes that are signed; the same seal gives the same."""
        body = {
            "format": FORMAT, "deployment": self.deployment, "made_at": self.made_at, "made_by": self.made_by,
            "asked": dict(self.asked), "lines": self.lines, "sha256": self.sha256,
            "key": {"algorithm": "Ed25519", "public": self.public_key},
        }  # fmt: skip
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()

    def line(self, signature: str, *, csv: bool) -> str:
        """The last line of the file."""
        text = json.dumps({"sealed": json.loads(self.encode()), "signature": signature})
        return f"{CSV_MARK if csv else ''}{text}\n"


def parse_seal(line: bytes) -> tuple[Seal, str]:
    """Returns the seal in a file's last line and its signature; raises BadInput for any other
    line.
    """
    try:
        body = load_json(line.removeprefix(CSV_MARK.encode()))
        sealed = _Seal.model_validate(body["sealed"])
        signature = str(body["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("last line", "signs nothing: is the file whole?") from error
    seal = Seal(
        deployment=sealed.deployment,
        made_at=sealed.made_at,
        made_by=sealed.made_by,
        asked=sealed.asked,
        lines=sealed.lines,
        sha256=sealed.sha256,
        public_key=sealed.key.public,
    )
    return seal, signature
