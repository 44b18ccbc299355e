"""What `platereel verify` says of archives that were made to deceive it, its terminal or its
memory.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platereel.cli import main
from platereel.verification import verify
from shared.adapters.signing import Ed25519Signer
from shared.domain.errors import BadInput
from shared.wire.evidence import (
    Manifest,
    NotBlurred,
    Overlay,
    Redaction,
    fingerprint,
    parse_manifest,
)
from tests.support.archives import FACTS, FILES, OURS, genuine, manifest_of, signed, zipped

FORGERS = Ed25519Signer(b"f" * 32)
Check = Callable[..., tuple[int, str]]
PRINT = fingerprint(OURS.public_key)


@pytest.fixture
def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Check:
    """`platereel verify` of these bytes: exit status, and all that it said."""

    def verified(data: bytes, *options: str) -> tuple[int, str]:
        path = tmp_path / "evidence.zip"
        path.write_bytes(data)
        monkeypatch.setattr("sys.argv", ["platereel", "verify", str(path), *options])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(capsys.readouterr())
        code = ended.value.code
        return (1, said + code) if isinstance(code, str) else (code or 0, said)

    return verified


def test_three_answers(check: Check) -> None:
    for key in (PRINT, OURS.public_key, PRINT.upper()):
        assert check(genuine(), "--key", key)[0] == 0
    assert json.loads(check(genuine(), "--key", PRINT, "--json")[1])["ok"] is True
    code, said = check(genuine())
    assert code == 2
    assert said.startswith("not judged: ")
    code, said = check(genuine(), "--json")
    assert (code, json.loads(said)["ok"], json.loads(said)["problems"]) == (2, None, [])
    code, said = check(genuine()[:200] + b"x" + genuine()[201:], "--json")
    assert code == 1
    assert check(genuine(), "--key", "")[0] == 1


def test_a_forgery_that_was_signed_anew_is_not_genuine(check: Check) -> None:
    forged = genuine({"segment.json": FACTS, "gate-1.mp4": b"another film"}, FORGERS)
    assert check(forged)[0] == 2
    code, said = check(forged, "--key", PRINT)
    assert code == 1
    assert "not with the one given" in said
    assert "NOT as signed" in said


def with_entries(*more: tuple[str, bytes], first: bool = False) -> bytes:
    own = (*signed(manifest_of(FILES).encode()).items(), *FILES.items())
    return zipped(*(more + own if first else own + more))


def changed_entry(name: str, field: int, value: int, size: int = 2) -> bytes:
    """An entry's field in the central directory, and (10 bytes earlier there) in the header before
    its data.
    """
    data = bytearray(genuine())
    at = data.rindex(name.encode()) - 46
    data[at + field : at + field + size] = value.to_bytes(size, "little")
    return bytes(data)


DECEPTIONS = {
    "a doubled manifest, the forged one first": with_entries(("manifest.json", b"{}"), first=True),
    "a doubled manifest, the forged one last": with_entries(("manifest.json", manifest_of(FILES).encode())),
    "a doubled signature": with_entries(("manifest.sig", b"AAAA")),
    "a doubled clip": with_entries(("gate-1.mp4", b"another film")),
    "a file that is not listed": with_entries(("more.txt", b"?")),
    "a folder": with_entries(("folder/", b"")),
    "a name that differs in capitals": with_entries(("Manifest.json", b"{}")),
    "something in front": b"x" * 6000 + genuine(),
    "a whole archive in front": genuine() + genuine(),
    "something behind": genuine() + b"x",
    "a comment": genuine()[:-2] + struct.pack("<H", 5) + b"hello",
    "no files": genuine({}),
    "no clip": genuine({"segment.json": FACTS}),
    "an encrypted entry": changed_entry("gate-1.mp4", 8, 0x1),
    "another compression": changed_entry("gate-1.mp4", 10, 14),
    "another size": changed_entry("gate-1.mp4", 24, 5, 4),
    "a clip that is missing": zipped(*signed(manifest_of(FILES).encode()).items(), ("segment.json", FACTS)),
    "a manifest of other spaces": zipped(
        *signed(json.dumps(json.loads(manifest_of(FILES).encode())).encode()).items(), *FILES.items()
    ),
    "a manifest with a key twice": zipped(
        *signed(manifest_of(FILES).encode().replace(b'"made_by"', b'"segment": "other", "made_by"')).items(),
        *FILES.items(),
    ),
    "a manifest that lists itself": genuine({**FILES, "manifest.json": b"{}"}),
}  # fmt: skip


@pytest.mark.parametrize("name", DECEPTIONS)
def test_what_deceives(check: Check, name: str) -> None:
    """Each has the right key's signature over its manifest, and is refused all the same."""
    code, said = check(DECEPTIONS[name], "--key", PRINT)
    assert code == 1
    assert "Traceback" not in said
    assert not said.startswith("as signed")


def test_bytes_between_the_files(check: Check) -> None:
    data = genuine()
    end = data.rindex(b"PK\x05\x06")
    size, begins = struct.unpack("<2L", data[end + 12 : end + 20])
    hidden = bytearray(data[:begins] + b"x" * 100 + data[begins:])
    hidden[end + 100 + 16 : end + 100 + 20] = struct.pack("<L", begins + 100)
    with zipfile.ZipFile(io.BytesIO(hidden)) as archive:
        assert archive.testzip() is None
    assert size
    code, said = check(bytes(hidden), "--key", PRINT)
    assert code == 1
    assert "belong to no file" in said


def test_an_archive_that_was_zipped_again_is_told_so(check: Check, tmp_path: Path) -> None:
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        again = tmp_path / "again.zip"
        with (
            zipfile.ZipFile(io.BytesIO(genuine())) as old,
            zipfile.ZipFile(again, "w", kind) as new,
        ):
            for name in old.namelist():
                new.writestr(name, old.read(name))
        code, said = check(again.read_bytes(), "--key", PRINT)
        assert code == 1
        assert "manifest.json" in said
        assert "unpacked and zipped again, cannot be verified" in said


def test_a_bomb_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one byte over what was signed, whatever the directory says."""
    path = tmp_path / "bomb.zip"
    manifest = signed(manifest_of(FILES).encode())
    path.write_bytes(
        zipped(*manifest.items(), ("segment.json", FACTS), ("gate-1.mp4", bytes(5_000_000)))
    )
    read: list[int] = []

    class Counted(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(-1 if size is None else size)
            read.append(len(data))
            return data

    def opened(path: Path, mode: str) -> Counted:
        return Counted(path, mode)

    monkeypatch.setattr(Path, "open", opened)
    assert verify(path, PRINT).ok is False
    assert 0 < sum(read) < 5_000
    monkeypatch.undo()
    path.write_bytes(zipped(("manifest.json", bytes(5_000_000)), *FILES.items()))
    monkeypatch.setattr(Path, "open", opened)
    read.clear()
    with pytest.raises(BadInput, match=r"manifest\.json: is larger"):
        verify(path, PRINT)
    assert sum(read) < 5_000


@pytest.mark.parametrize(
    "nasty",
    ["\x1b[2J\x1b[1;1Has signed", "a\nas signed: segment 1", "\u202ederetla", "\x9b2J", "[/]"],
)
def test_the_terminal_is_not_steered(check: Check, nasty: str) -> None:
    files = {**FILES, f"{nasty}.txt": b"x"}
    told: list[dict[str, Any]] = [{"made_by": nasty}, {"segment": nasty}, {"made_at": nasty}]
    for changes in told:
        code, said = check(
            zipped(*signed(manifest_of(FILES, **changes).encode()).items(), *FILES.items()),
            "--key",
            PRINT,
        )
        assert code == 0
        assert said.count("\n") == 1
        assert all(each.isprintable() for each in said.rstrip("\n"))
    data = zipped(*signed(manifest_of(files).encode()).items(), *FILES.items())
    code, said = check(data, "--key", PRINT)
    assert code == 1
    assert said.count("\n") == 2
    assert all(each.isprintable() or each == "\n" for each in said)
    code, said = check(with_entries((f"{nasty}.txt", b"x")), "--key", PRINT)
    assert code == 1
    assert said.count("\n") == 2
    code, said = check(zipped((f"{nasty}.txt", b"x"), kind=zipfile.ZIP_DEFLATED), "--key", PRINT)
    assert code == 1
    assert "not as it was exported" in said
    assert all(each.isprintable() for each in said.rstrip("\n"))


MANIFESTS = [
    b"[" * 5000, b"{" * 100, b"\xff", b"{}", b"[]", b"null", b'{"bytes": 1e400}', b"1" * 5000,
    manifest_of(FILES).encode().replace(b'"bytes": 12800', b'"bytes": 1e400'),
    manifest_of(FILES).encode().replace(b'"bytes": 12800', b'"bytes": -1'),
    manifest_of(FILES).encode().replace(b'"bytes": 12800', b'"bytes": true'),
    manifest_of(FILES).encode().replace(b'"bytes": 12800', b'"bytes": "12800"'),
    manifest_of(FILES).encode().replace(b'"files"', b'"filse"'),
    manifest_of(FILES).encode().replace(b'"Ed25519"', b'"none"'),
    manifest_of(FILES).encode().replace(b'"local"', b'"\\ud800"'),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MANIFESTS)))
def test_manifests_that_are_none(check: Check, number: int) -> None:
    code, said = check(zipped(*signed(MANIFESTS[number]).items(), *FILES.items()))
    assert code != 0
    assert "Traceback" not in said
    said.encode()


@given(st.binary(max_size=400) | st.text().map(str.encode))
def test_any_bytes_are_a_manifest_or_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput):
        parse_manifest(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_found(tmp_path: Path, data: st.DataObject) -> None:
    """Cut, changed and overwritten archives: never as signed, and never any other error."""
    whole = genuine()
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(("cut", "change", "insert")))
    other = data.draw(st.binary(min_size=1, max_size=8))
    damaged = {
        "cut": whole[:at],
        "change": whole[:at] + other + whole[at + len(other) :],
        "insert": whole[:at] + other + whole[at:],
    }[how]
    path = tmp_path / "damaged.zip"
    path.write_bytes(damaged)
    try:
        verdict = verify(path, PRINT)
    except BadInput:
        return
    assert verdict.ok is False or damaged == whole


def second(files: dict[str, bytes] = FILES, **changes: Any) -> Manifest:
    """A manifest of the second format, about the clip of FILES."""
    clip = next(each for each in manifest_of(FILES).files if each.name.endswith(".mp4"))
    return replace(manifest_of(files), clip=clip, **changes)


def archived(manifest: Manifest, files: dict[str, bytes]) -> bytes:
    return zipped(*signed(manifest.encode()).items(), *files.items())


REDACTION = Redaction(
    name="redacted.mp4",
    plate="AB\x1b[2J",
    kept=["1"],
    blurred=["2"],
    not_blurred=[NotBlurred("3", "no box")],
    reads_blurred=1,
    reads_not_blurred=2,
    reads_not_kept=True,
)
REDACTED = {"segment.json": FACTS, "redacted.mp4": b"blurred"}


def test_both_formats_are_verified(check: Check) -> None:
    for data in (genuine(), archived(second(), FILES)):
        code, said = check(data, "--key", PRINT, "--json")
        assert (code, json.loads(said)["has_clip"]) == (0, True)
    assert parse_manifest(second().encode()) == second()


def test_a_missing_clip_and_what_is_not_blurred_are_told(check: Check) -> None:
    whole = archived(second(REDACTED, redaction=REDACTION), REDACTED)
    code, said = check(whole, "--key", PRINT)
    assert code == 0
    assert "the clip as it was recorded is not in it; its SHA-256 is" in said
    assert "NOT blurred: pass 3 (no box)" in said
    assert "NOT blurred: 2 reads without a box" in said
    assert "did not keep all reads" in said
    assert "\x1b" not in said
    told = json.loads(check(whole, "--key", PRINT, "--json")[1])
    assert (told["has_clip"], told["redaction"]["complete"]) == (False, False)
    assert told["clip_sha256"] == second().clip.sha256  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "manifest",
    [
        second(REDACTED, redaction=replace(REDACTION, name="other.mp4")),
        second(REDACTED, overlay=Overlay("overlay.mp4", "UTC")),
    ],
    ids=["a redacted copy", "an overlay"],
)
def test_a_copy_that_is_told_of_and_not_there(check: Check, manifest: Manifest) -> None:
    code, said = check(archived(manifest, REDACTED), "--key", PRINT)
    assert code == 1
    assert "not among the files of the manifest" in said


def test_a_clip_is_there_or_not(check: Check) -> None:
    """No other film under its name, and no word of it that its files do not bear out."""
    forged = {**FILES, "gate-1.mp4": b"another film"}
    code, said = check(archived(second(forged), forged), "--key", PRINT)
    assert code == 1
    assert "lists another file under the name of its clip" in said
    lying = second().encode().replace(b'"included": true', b'"included": false')
    assert check(zipped(*signed(lying).items(), *FILES.items()), "--key", PRINT)[0] == 1
