"""No zip that two programs may read differently is verified, whatever its manifest and its
signature are.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PosixPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platereel import zip_layout
from platereel.verification import verify
from services.api.media.evidence import archive, clip_file, listed
from shared.adapters.clock import SystemClock
from shared.domain.errors import BadInput
from shared.domain.segment import Clip
from shared.wire.evidence import fingerprint
from tests.support.archives import FILES, OURS, manifest_of, signed, streamed
from tests.support.twins import MemoryObjects

CLIP = "gate-1.mp4"
ENTRIES = signed(manifest_of(FILES).encode()) | FILES
PRINT = fingerprint(OURS.public_key)
FORGED = b"a forged film. " * 1000
UNICODE_PATH = struct.pack("<2HBL", 0x7075, 5 + 9, 1, zlib.crc32(CLIP.encode())) + b"other.mp4"
FOREIGN = struct.pack("<2H", 0x9999, 60_000) + b"x" * 60_000


def laid_out(name: str = CLIP, **changes: Any) -> bytes:
    """An archive as it is exported, but for what is said of the one file."""
    body, directory = b"", b""
    for each, data in ENTRIES.items():
        crc, size = zlib.crc32(data), len(data)
        own: dict[str, Any] = {
            "version": 20, "flags": 8, "method": 0, "crc": crc, "packed": data, "size": size, "name": each.encode(),
            "extra": b"", "comment": b"", "made_by": 3 << 8 | 20, "disk": 0, "inside": 0, "attributes": 0o600 << 16,
            "header_version": 20, "header_flags": 8, "header_method": 0, "header_crc": 0, "header_sizes": (0, 0),
            "header_name": each.encode(), "header_extra": b"", "header_stamp": 33 << 16, "before": b"", "behind": b"",
        }  # fmt: skip
        own["descriptor"] = struct.pack("<4s3L", b"PK\x07\x08", crc, size, size)
        own |= changes if each == name else {}
        body += own["before"]
        at = len(body)
        header = (
            own["header_version"],
            own["header_flags"],
            own["header_method"],
            own["header_stamp"],
        )
        lengths = (len(own["header_name"]), len(own["header_extra"]))
        body += struct.pack(
            "<4s3H4L2H", b"PK\x03\x04", *header, own["header_crc"], *own["header_sizes"], *lengths
        )
        body += (
            own["header_name"]
            + own["header_extra"]
            + own["packed"]
            + own["descriptor"]
            + own["behind"]
        )
        record = (
            own["made_by"],
            own["version"],
            own["flags"],
            own["method"],
            33 << 16,
            own["crc"],
            len(own["packed"]),
        )
        rest = (
            len(own["name"]),
            len(own["extra"]),
            len(own["comment"]),
            own["disk"],
            own["inside"],
            own["attributes"],
        )
        directory += struct.pack("<4s4H4L5H2L", b"PK\x01\x02", *record, own["size"], *rest, at)
        directory += own["name"] + own["extra"] + own["comment"]
    count = len(ENTRIES)
    return (
        body
        + directory
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    )


def deflated(data: bytes, level: int = 9) -> bytes:
    """A raw deflate stream; level 0 is in blocks that hold the data as they are."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def hidden(name: str, data: bytes) -> bytes:
    """An entry that no directory knows."""
    sizes = (zlib.crc32(data), len(data), len(data), len(name), 0)
    return (
        struct.pack("<4s3H4L2H", b"PK\x03\x04", 20, 0, 0, 33 << 16, *sizes) + name.encode() + data
    )


FILM, SMALL = FILES[CLIP], deflated(FILES[CLIP])
TWO_FILMS = deflated(FILM, 0) + b"\x00" * 100 + FORGED
# sizes and checksum in front, as in files that are not sent
PLAIN = {"header_flags": 0, "flags": 0, "descriptor": b""}
SIZED = PLAIN | {"header_crc": zlib.crc32(FILM), "header_sizes": (len(FILM), len(FILM))}
OTHERWISE: dict[str, dict[str, Any]] = {
    "a film within blocks, which the header calls stored": PLAIN | {
        "method": 8, "packed": TWO_FILMS, "header_method": 0, "header_crc": zlib.crc32(TWO_FILMS),
        "header_sizes": (len(TWO_FILMS),) * 2,
    },
    "the same with a descriptor": {"method": 8, "packed": TWO_FILMS, "header_method": 0},
    "something after the end of a deflate stream": SIZED | {
        "method": 8, "header_method": 8, "packed": SMALL + FORGED, "header_sizes": (len(SMALL + FORGED), len(FILM)),
    },
    "a deflated film": {"method": 8, "header_method": 8, "packed": SMALL},
    "a second, hidden film in the data of the first": SIZED | {
        "method": 8, "header_method": 8, "packed": SMALL + hidden(CLIP, FORGED),
        "header_sizes": (len(SMALL), len(FILM)),
    },
    "a second, hidden film behind the first": {"behind": hidden(CLIP, FORGED)},
    "another name in Unicode": {"extra": UNICODE_PATH, "header_extra": UNICODE_PATH},
    "another name in Unicode, in the header": {"header_extra": UNICODE_PATH},
    "another name in Unicode, in the directory": {"extra": UNICODE_PATH},
    "bytes behind a file": {"behind": b"HIDDEN.."},
    "bytes of a descriptor's size behind a file": {"descriptor": b"HIDDEN..HIDDEN.."},
    "no descriptor": {"descriptor": b""},
    "a descriptor without its mark": {"descriptor": struct.pack("<3L", zlib.crc32(FILM), len(FILM), len(FILM))},
    "a descriptor of another size": {"descriptor": struct.pack("<4s3L", b"PK\x07\x08", zlib.crc32(FILM), 5, 5)},
    "a descriptor of another checksum": {"descriptor": struct.pack("<4s3L", b"PK\x07\x08", 1, len(FILM), len(FILM))},
    "a field of unknown kind in the header": {"header_extra": FOREIGN},
    "a field of unknown kind in the directory": {"extra": FOREIGN},
    "sizes in 64 bits that are not needed": {"extra": struct.pack("<2H2Q", 1, 16, 5, 5)},
    "sizes in 64 bits in the header alone": {"header_extra": struct.pack("<2H2Q", 1, 16, 5, 5)},
    "a comment": {"comment": b"see this instead"},
    "another method in the header": SIZED | {"header_method": 8},
    "another checksum in the header": SIZED | {"header_crc": 1},
    "other sizes in the header": SIZED | {"header_sizes": (5, 7)},
    "sizes in the header beside a descriptor": {"header_sizes": (5, 7), "header_crc": 1},
    "a header with the right sizes and no descriptor": SIZED,
    "another name in the header": {"header_name": b"gate-2.mp4"},
    "another time in the header": {"header_stamp": 34 << 16},
    "other flags in the header": {"header_flags": 0x808},
    "a name that is said to be UTF-8": {"flags": 0x808, "header_flags": 0x808},
    "another version in the header": {"header_version": 45},
    "another version": {"version": 63, "header_version": 63},
    "a link": {"attributes": 0o120777 << 16},
    "a folder": {"attributes": 0o040755 << 16 | 0x10},
    "a device": {"attributes": 0o020666 << 16},
    "no attributes": {"attributes": 0},
    "attributes within": {"inside": 1},
    "another system's": {"made_by": 20},
    "another disk": {"disk": 1},
    "bytes before a file": {"before": b"HIDDEN.."},
    "the checksum of other data everywhere": {
        "crc": 1, "descriptor": struct.pack("<4s3L", b"PK\x07\x08", 1, len(FILM), len(FILM)),
    },
}  # fmt: skip


class Held(PosixPath):
    """An archive in memory: thousands of files cost more than to verify them."""

    data = b""

    def open(self, *_: Any, **__: Any) -> Any:
        return io.BytesIO(self.data)


def refused(data: bytes) -> bool:
    """Whether these bytes are not as signed; any error but BadInput is none of an answer."""
    path = Held("evidence.zip")
    path.data = data
    try:
        return verify(path, PRINT).ok is False
    except BadInput:
        return True


def test_what_the_cases_start_from_is_an_export() -> None:
    assert laid_out() == streamed(ENTRIES.items())
    assert not refused(laid_out())


@pytest.mark.parametrize("case", OTHERWISE)
def test_no_other_layout_is_verified(case: str) -> None:
    data = laid_out(**OTHERWISE[case])
    assert data != laid_out()
    assert refused(data)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "segment.json"])
@pytest.mark.parametrize(
    "case", ["a link", "a comment", "another name in Unicode", "bytes behind a file"]
)
def test_nor_is_one_of_any_other_file(name: str, case: str) -> None:
    assert refused(laid_out(name, **OTHERWISE[case]))


def test_entries_that_are_moved_or_share_their_bytes_are_refused() -> None:
    whole = laid_out()
    (begins,) = struct.unpack("<L", whole[-6:-2])
    at = [whole.index(b"PK\x01\x02", begins)]
    while (found := whole.find(b"PK\x01\x02", at[-1] + 1)) >= 0:
        at.append(found)
    records = [whole[a:b] for a, b in zip(at, [*at[1:], len(whole) - 22], strict=True)]
    for other in (records[::-1], records[1:] + records[:1]):
        assert refused(whole[:begins] + b"".join(other) + whole[-22:])
    for count in (0, 3, 5, 65_535):
        end = whole[-22:-14] + struct.pack("<2H", count, count) + whole[-10:]
        assert refused(whole[:-22] + end)


def exported(clip: bytes = b"PK\x07\x08 is no film" * 20) -> bytes:
    """What the API sends."""
    store = MemoryObjects(SystemClock())
    store.put("clip", clip, "video/mp4")
    made = datetime(2026, 11, 26, 10, tzinfo=UTC)
    film = Clip(key="clip", size_bytes=len(clip), sha256=sha256(clip).hexdigest(), frame_count=1)
    large = clip_file(store, film, CLIP)
    small = {"segment.json": FILES["segment.json"], "gate-1.jpg": b"\xff\xd8picture"}
    files = [*(listed(name, data) for name, data in small.items()), large.listed]
    manifest = replace(manifest_of({}), files=files, clip=large.listed)
    return b"".join(archive(OURS, manifest, made, small, [large]))


def every_damage(whole: bytes, step: int = 1) -> Iterator[bytes]:
    """Each byte changed, each doubled, each left out."""
    for at in range(0, len(whole), step):
        yield whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
        yield whole[:at] + whole[at : at + 1] + whole[at:]
        yield whole[:at] + whole[at + 1 :]


def test_no_byte_may_change() -> None:
    """Of an export some bytes are tried, and all of a small archive that is laid out like it."""
    files = {"a.mp4": b"film", "\u8eca.json": b"{}"}
    small = streamed((signed(manifest_of(files).encode()) | files).items())
    for whole, step in ((exported(), 17), (small, 1)):
        assert not refused(whole)
        passed = [other for other in every_damage(whole, step) if not refused(other)]
        assert passed == []


@pytest.mark.parametrize("limit", [6_000, 10_300])
def test_large_clips(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Of more than 2 GB, and of a little less: there the export makes room for large sizes and
    needs none.
    """
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    monkeypatch.setattr(zip_layout, "LARGE", limit)
    whole = exported(bytes(10_000))
    assert whole.count(struct.pack("<2H2Q", 1, 16, 0, 0)) == 1
    assert whole.count(struct.pack("<2H2Q", 1, 16, 10_000, 10_000)) == (limit < 10_000)
    assert b"PK\x06\x06" in whole
    assert not refused(whole)
    clip = whole.index(bytes(10_000))
    for damaged in every_damage(whole[clip + 9_990 :]):
        assert refused(whole[: clip + 9_990] + damaged)
    for damaged in every_damage(whole[clip - 70 : clip]):
        assert refused(whole[: clip - 70] + damaged + whole[clip:])


def from_the_front(data: bytes) -> dict[str, bytes]:
    """The files as a program finds them that believes the headers and never sees the directory."""
    found, at = {}, 0
    while data[at : at + 4] == b"PK\x03\x04":
        _, flags, method, _, crc, size, _, name_bytes, extra_bytes = struct.unpack(
            "<3H4L2H", data[at + 4 : at + 30]
        )
        name = data[at + 30 : at + 30 + name_bytes].decode()
        at += 30 + name_bytes + extra_bytes
        if method == zipfile.ZIP_DEFLATED:
            unpacker = zlib.decompressobj(-15)
            found[name] = unpacker.decompress(data[at:])
            at = len(data) - len(unpacker.unused_data)
        else:
            if flags & 8:
                size = _until_descriptor(data, at)
            found[name] = data[at : at + size]
            assert flags & 8 or zlib.crc32(found[name]) == crc
            at += size
        at += 16 if flags & 8 else 0
    return found


def _until_descriptor(data: bytes, at: int) -> int:
    end = data.index(b"PK\x07\x08", at)
    while (
        struct.pack("<3L", zlib.crc32(data[at:end]), end - at, end - at) != data[end + 4 : end + 16]
    ):
        end = data.index(b"PK\x07\x08", end + 1)
    return end - at


def from_the_directory(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        return {info.filename: zipped.read(info) for info in zipped.infolist()}


def test_the_two_readers_of_these_tests_may_disagree() -> None:
    data = laid_out(**OTHERWISE["a film within blocks, which the header calls stored"])
    assert from_the_directory(data)[CLIP] == FILM
    assert from_the_front(data)[CLIP] == TWO_FILMS


NAMES = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), min_size=1, max_size=12)
CUT = st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16), st.integers(0, 1 << 16))


@given(
    st.dictionaries(NAMES, st.binary(max_size=60) | st.just(b"PK\x07\x08"), max_size=4),
    st.lists(CUT, max_size=2),
)
@example({"größe.txt": b"", "車": b"x"}, [])
def test_whatever_is_verified_is_the_same_to_every_reader(
    more: dict[str, bytes], moved: list[tuple[int, int, int]]
) -> None:
    """Of archives with pieces copied over other pieces of theirs too."""
    files = more | FILES
    entries = signed(manifest_of(files).encode()) | files
    data = whole = streamed(entries.items())
    for at, to, length in moved:
        piece = data[at % len(data) :][: length % 64]
        data = data[: to % len(data)] + piece + data[to % len(data) + len(piece) :]
    if refused(data):
        assert data != whole
    else:
        assert from_the_directory(data) == from_the_front(data) == entries
