"""Archives as an export writes them, with whatever is to be in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable


class _Pipe(io.RawIOBase):
    """A file that is only written to."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(data)  # type: ignore[arg-type]


def streamed(entries: Iterable[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A zip that was sent while it was written; a name may come twice."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", kind) as archive:
        for name, data in entries:
            archive.NameToInfo.pop(name, None)  # or a doubled name is warned of
            info = zipfile.ZipInfo(name)
            info.compress_type, info.file_size = kind, len(data)
            with archive.open(info, "w") as file:
                file.write(data)
    return pipe.data
