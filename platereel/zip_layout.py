"""The one layout of an evidence archive, byte for byte as an export writes it.

A zip says most things twice: before a file's data, and in the directory at the end. Programs differ
in which of the two they believe, and in what they ignore. So nothing is left to choose here: every
byte that is no file's data is written anew from the name, size, checksum and time of the files, and
compared.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shared.domain.errors import BadInput

CHUNK = 1 << 20
MOST_DIRECTORY_BYTES = 1_000_000
LARGE = (1 << 31) - 1  # what is larger has its size in 64 bits
_ROOM = 1.05  # the writer expects a file to grow by so much
_ELSEWHERE = 0xFFFF_FFFF  # stands for a number that is written in 64 bits at another place
_NARROW, _WIDE = 20, 45  # version of the format that a reader must know: 45 has sizes of 64 bits
_UNIX, _REGULAR = 3 << 8, 0o600 << 16
_STREAMED, _UTF8 = 0x8, 0x800
_RECORD_BYTES, _END_BYTES, _END_64_BYTES = 46, 22, 56 + 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive.

    stamp: date and time, in the 32 bits of MS-DOS. version: `_WIDE` where the archive's writer had
    to expect a large file; a record has it as well where the header is far behind. header_at: where
    its header begins; its data follow that, and the descriptor follows the data.
    """

    name: str
    size_bytes: int
    crc: int
    stamp: int
    version: int
    header_at: int

    @property
    def data_at(self) -> int:
        """Where its data begin."""
        return self.header_at + len(self.header())

    def header(self) -> bytes:
        """What stands before the data. Size and checksum come after them: nobody knew them yet."""
        name, flags = self._name()
        wide = self.version == _WIDE
        sizes, extra = (_ELSEWHERE, struct.pack("<2H2Q", 1, 16, 0, 0)) if wide else (0, b"")
        fields = (self.version, flags, 0, self.stamp, 0, sizes, sizes, len(name), len(extra))
        return struct.pack("<4s3H4L2H", b"PK\x03\x04", *fields) + name + extra

    def descriptor(self) -> bytes:
        """What stands behind the data."""
        form = "<4sL2Q" if self.version == _WIDE else "<4s3L"
        return struct.pack(form, b"PK\x07\x08", self.crc, self.size_bytes, self.size_bytes)

    def record(self) -> bytes:
        """What stands in the directory: stored, a regular file, without a comment."""
        name, flags = self._name()
        size, at, wide = self.size_bytes, self.header_at, list[int]()
        if size > LARGE:
            wide, size = [size, size], _ELSEWHERE
        if at > LARGE:
            wide, at = [*wide, at], _ELSEWHERE
        extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version = _WIDE if wide else self.version
        of_file = (version | _UNIX, version, flags, 0, self.stamp, self.crc, size, size)
        of_record = (len(name), len(extra), 0, 0, 0, _REGULAR, at)
        return struct.pack("<4s4H4L5H2L", b"PK\x01\x02", *of_file, *of_record) + name + extra

    def _name(self) -> tuple[bytes, int]:
        return self.name.encode(), _STREAMED if self.name.isascii() else _STREAMED | _UTF8


def read_layout(file: BinaryIO, path: str) -> list[Entry]:
    """The archive's entries. BadInput, which names what is wrong, where any byte around the data is
    not an export's.
    """
    count, begins, directory = _directory(file, path)
    entries, at, read = [], 0, 0
    for _ in range(count):
        entry = _entry(directory, read, path)
        _check_place(file, entry, at=at, before=begins, path=path)
        entries.append(entry)
        read += len(entry.record())
        at = entry.data_at + entry.size_bytes + len(entry.descriptor())
    if read != len(directory) or at != begins:
        raise _unlike(path, "bytes in it belong to no file")
    return entries


def data_of(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """An entry's data, a piece at a time; BadInput after the last where their checksum is not the
    one written.
    """
    crc, left = 0, entry.size_bytes
    file.seek(entry.data_at)
    while left and (piece := file.read(min(CHUNK, left))):
        crc, left = zlib.crc32(piece, crc), left - len(piece)
        yield piece
    if left or crc != entry.crc:
        raise BadInput(entry.name, "is damaged: its data have another size or checksum")


def _directory(file: BinaryIO, path: str) -> tuple[int, int, bytes]:
    """How many entries the archive has, where its directory begins, and the directory. The archive
    ends behind it.
    """
    size = file.seek(0, os.SEEK_END)
    tail = _read(file, max(0, size - _END_64_BYTES - _END_BYTES), _END_64_BYTES + _END_BYTES)
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(b"PK\x05\x06") or end[-2:] != b"\x00\x00":
        raise BadInput(path, "not a whole zip archive, or something comes after its end")
    count, directory_bytes, begins = struct.unpack("<H2L", end[10:20])
    if begins == _ELSEWHERE and len(tail) == _END_64_BYTES + _END_BYTES:
        (begins,) = struct.unpack("<Q", tail[48:56])
    if directory_bytes > MOST_DIRECTORY_BYTES:
        raise BadInput(path, "its directory is larger than that of any evidence")
    expected = _end(count, directory_bytes, begins)
    if not tail.endswith(expected):
        raise _unlike(path, "its end")
    if begins + directory_bytes + len(expected) != size:
        raise BadInput(path, "something stands in front of the archive, or between its parts")
    return count, begins, _read(file, begins, directory_bytes)


def _end(count: int, directory_bytes: int, begins: int) -> bytes:
    """What stands behind the directory."""
    sizes = (count, count, directory_bytes)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *sizes, min(begins, _ELSEWHERE), 0)
    if begins <= LARGE:
        return end
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, _WIDE, _WIDE, 0, 0, *sizes, begins)
    return end_64 + struct.pack("<4sLQL", b"PK\x06\x07", 0, begins + directory_bytes, 1) + end


def _entry(directory: bytes, at: int, path: str) -> Entry:
    """The entry whose record begins there."""
    try:
        version, _, _, stamp, crc, _, size, name_bytes = struct.unpack_from(
            "<3H4LH", directory, at + 6
        )
        (header_at,) = struct.unpack_from("<L", directory, at + _RECORD_BYTES - 4)
        behind = at + _RECORD_BYTES + name_bytes
        name = directory[at + _RECORD_BYTES : behind].decode()
        extra_at = behind + 4
        if size == _ELSEWHERE:
            (size,) = struct.unpack_from("<Q", directory, extra_at)
            extra_at += 16
        if header_at == _ELSEWHERE:
            (header_at,) = struct.unpack_from("<Q", directory, extra_at)
            version = _WIDE if version == _WIDE and size * _ROOM > LARGE else _NARROW
    except (struct.error, UnicodeDecodeError):
        raise _unlike(path, "its directory") from None
    entry = Entry(
        name=name, size_bytes=size, crc=crc, stamp=stamp, version=version, header_at=header_at
    )
    if version not in {_NARROW, _WIDE} or (size > LARGE and version != _WIDE):
        raise _unlike(path, f"{name!r}: its version in the directory")
    if not directory.startswith(entry.record(), at):
        raise _unlike(path, f"{name!r}: its record in the directory")
    return entry


def _check_place(file: BinaryIO, entry: Entry, *, at: int, before: int, path: str) -> None:
    """Raise BadInput unless the entry stands there, whole, and before the directory."""
    if entry.header_at != at or _read(file, at, len(entry.header())) != entry.header():
        raise _unlike(path, f"{entry.name!r}: its header")
    behind = entry.data_at + entry.size_bytes
    if behind > before or _read(file, behind, len(entry.descriptor())) != entry.descriptor():
        raise _unlike(path, f"{entry.name!r}: what follows its data")


def _read(file: BinaryIO, at: int, size_bytes: int) -> bytes:
    file.seek(at)
    return file.read(size_bytes)


def _unlike(path: str, what: str) -> BadInput:
    advice = "an archive that was changed, or unpacked and zipped again, cannot be verified"
    return BadInput(path, f"not as it was exported ({what}): {advice}")
