"""`platereel` with a poisoned encoder: one part of each camera whose quality is in KINDS fells
whoever makes it.

Which part it is stands in a file, so that every attempt, in whatever process, meets the same
poison.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from platereel.cli import main
from shared.adapters.video.av_video import AvVideo

KINDS = {
    41: "memory_error",
    42: "segfault",
    43: "exit",
    44: "eats_memory",
    45: "raises",
    46: "loop",
}
MARKS = "TESTS_POISON_FOLDER"


def _is_poisoned(kind: str, base_ms: int) -> bool:
    """The first part that comes is the poisoned one, for good."""
    mark = Path(os.environ[MARKS]) / kind
    try:
        with mark.open("x", encoding="ascii") as out:
            out.write(str(base_ms))
    except FileExistsError:
        return mark.read_text(encoding="ascii") == str(base_ms)
    return True


def _take_effect(kind: str) -> None:
    if kind == "memory_error":
        raise MemoryError
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "exit":
        raise SystemExit(3)
    if kind == "eats_memory":
        bytearray(8_000_000_000)
    if kind == "raises":
        raise RuntimeError("a mistake nobody thought of")
    while kind == "loop":
        pass


def poison() -> None:
    """Put the poison in."""
    clean = AvVideo.encoder

    def encoder(
        self: AvVideo,
        policy: Any,
        form: Any,
        base_ms: int,
        picture_ms: int | None = None,
        *,
        sheet: bool = False,
    ) -> Any:
        kind = KINDS.get(policy.quality or 0)
        if kind is not None and _is_poisoned(kind, base_ms):
            _take_effect(kind)
        return clean(self, policy, form, base_ms, picture_ms, sheet=sheet)

    AvVideo.encoder = encoder  # type: ignore[method-assign]


if __name__ == "__main__":
    poison()
    main()
