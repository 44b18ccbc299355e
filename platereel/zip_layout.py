"""Whether a zip is nothing but its entries: what a zip reader passes over, another program may show as the contents."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import BinaryIO

from shared.domain.errors import BadInput

MOST_DIRECTORY_BYTES = 1_000_000
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _END_64_BYTES, _LOCATOR_BYTES, _LOCAL_BYTES = 22, 56, 20, 30
_UNREADABLE = 0x1 | 0x20 | 0x40 | 0x2000  # encrypted, patched, masked
_DESCRIPTOR_BYTES = {12, 16, 20, 24}
_KINDS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_TOO_LARGE = 0xFFFF_FFFF


def check_end(file: BinaryIO, name: str) -> None:
    """Raise BadInput unless the file ends as a zip does: with a directory of an archive's size, and nothing after it.

    To be asked before the directory is read, which is read whole.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES))
    end = file.read(_END_BYTES)
    if len(end) < _END_BYTES or not end.startswith(_END) or end[-2:] != b"\x00\x00":
        raise BadInput(name, "not a whole zip archive, or something comes after its end")
    directory_bytes, begins = struct.unpack("<2L", end[12:20])
    ends = size - _END_BYTES
    if begins == _TOO_LARGE:
        ends -= _LOCATOR_BYTES + _END_64_BYTES
        file.seek(max(0, ends))
        record = file.read(_END_64_BYTES + _LOCATOR_BYTES)
        if not record.startswith(_END_64) or record[_END_64_BYTES:][:4] != _LOCATOR_64:
            raise BadInput(name, "not a whole zip archive")
        directory_bytes, begins = struct.unpack("<2Q", record[40:56])
    if directory_bytes > MOST_DIRECTORY_BYTES:
        raise BadInput(name, "its directory is larger than that of any evidence")
    if begins + directory_bytes != ends:
        raise BadInput(name, "something stands in front of the archive, or between its parts")


def oddities(file: BinaryIO, archive: zipfile.ZipFile) -> list[str]:
    """What the entries have that evidence has not: readers that disagree, or bytes between them that no entry owns."""
    found = [reason for info in archive.infolist() if (reason := odd(info)) is not None]
    at = 0
    for info in sorted(archive.infolist(), key=lambda each: each.header_offset):
        if info.header_offset != at and info.header_offset - at not in _gaps_allowed(at):
            return [*found, f"{info.filename}: bytes before it belong to no file"]
        at = _end_of(file, info)
    return found if archive.start_dir - at in _gaps_allowed(at) else [*found, "bytes after the files belong to no file"]


def _gaps_allowed(at: int) -> set[int]:
    """Nothing, or the sizes that may follow an entry's data; in front of the first there is nothing."""
    return {0} | (_DESCRIPTOR_BYTES if at else set())


def _end_of(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where an entry's data ends. Its header in front of them has a name and fields of its own length."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL_BYTES)
    if len(header) < _LOCAL_BYTES:
        raise zipfile.BadZipFile
    return int(info.header_offset + _LOCAL_BYTES + sum(struct.unpack("<2H", header[26:30])) + info.compress_size)


def odd(info: zipfile.ZipInfo) -> str | None:
    """Why an entry is none of evidence, and is not to be unpacked; None for one that may be read."""
    if info.flag_bits & _UNREADABLE:
        return f"{info.filename}: is encrypted, or not readable for everybody"
    if info.compress_type not in _KINDS:
        return f"{info.filename}: is compressed in a way that evidence is not"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return f"{info.filename}: has two sizes"
    if info.orig_filename != info.filename or info.is_dir():
        return f"{info.filename}: is not the name of a file"
    return None
