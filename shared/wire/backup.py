"""A backup: a ZIP file with `tables/NAME.copy` for each table, and `manifest.json` at its end.

A table's file has its rows in the text format of COPY, which any version of Postgres reads. The
manifest has the version of the schema, and of each table its columns, its number of rows, its size
and its SHA-256. Files are written and read in pieces, so a backup of any size takes little memory.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.domain.errors import Permanent
from shared.wire.bounded_json import load_json

MANIFEST = "manifest.json"
MANIFEST_BYTES = 4_000_000
PIECE_BYTES = 1 << 18
_LEVEL = 3  # most of the size of level 6 in half of its time
_Name = Annotated[str, Field(min_length=1, max_length=63)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BackupTable(_Strict):
    """A table of the backup; size_bytes and sha256 are of its rows, not compressed."""

    columns: tuple[_Name, ...]
    rows: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackupManifest(_Strict):
    """What a backup holds. made_ms: the moment of which it is, by the database's clock."""

    format: Literal["platereel-backup/1"] = "platereel-backup/1"
    platereel: Annotated[str, Field(max_length=100)]
    schema_version: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    deployment: UUID
    made_ms: Annotated[int, Field(ge=0)]
    tables: dict[_Name, BackupTable]
    sequences: dict[Annotated[str, Field(max_length=127)], int]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(table.rows for table in self.tables.values())


@dataclass(slots=True)
class BackupWriter:
    """Writes a backup into a file that nobody else can read; `finish` makes it one."""

    path: Path
    tables: dict[str, BackupTable] = field(default_factory=dict)
    _zip: zipfile.ZipFile = field(init=False)

    def __enter__(self) -> Self:
        """Begin the file, for its owner alone: there are digests of keys in it."""
        self.path.touch(mode=0o600)
        self._zip = zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        return self

    def __exit__(self, *_: object) -> None:
        """End the file."""
        self._zip.close()

    def table(self, name: str, columns: tuple[str, ...], pieces: Iterable[bytes]) -> BackupTable:
        """Write a table's rows. Returns what the manifest says of them."""
        digest, size, rows = sha256(), 0, 0
        with self._zip.open(_file_of(name), "w", force_zip64=True) as out:
            for piece in pieces:
                out.write(piece)
                digest.update(piece)
                size += len(piece)
                rows += piece.count(b"\n")  # COPY writes a line's end within a value as \n
        self.tables[name] = BackupTable(
            columns=columns, rows=rows, size_bytes=size, sha256=digest.hexdigest()
        )
        return self.tables[name]

    def finish(
        self,
        platereel: str,
        schema: str,
        deployment: UUID,
        made_ms: int,
        sequences: Mapping[str, int],
    ) -> BackupManifest:
        """Write the manifest: without it a file is no backup."""
        manifest = BackupManifest(
            platereel=platereel,
            schema_version=schema,
            deployment=deployment,
            made_ms=made_ms,
            tables=self.tables,
            sequences=dict(sequences),
        )
        told = json.dumps(manifest.model_dump(mode="json"), indent=1)
        self._zip.writestr(MANIFEST, told)
        return manifest


class BackupReader:
    """Reads a backup. Raises Permanent, which names the file, for one that is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._named():
            self._zip = zipfile.ZipFile(path)
            with self._zip.open(MANIFEST) as file:
                told = file.read(MANIFEST_BYTES + 1)
            self.manifest = BackupManifest.model_validate(load_json(told[:MANIFEST_BYTES]))
            missing = set(map(_file_of, self.manifest.tables)) - set(self._zip.namelist())
        if missing:
            raise self._damaged(f"{min(missing)} is not in it")

    def __enter__(self) -> Self:
        """For a block that closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._zip.close()

    def rows(self, table: str) -> Iterator[bytes]:
        """Yields a table's lines in pieces, and raises at their end if they are not what the
        manifest says.
        """
        expected, digest, size = self.manifest.tables[table], sha256(), 0
        with self._named(_file_of(table)), self._zip.open(_file_of(table)) as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
                if size > expected.size_bytes:
                    break
                yield piece
        if (size, digest.hexdigest()) != (expected.size_bytes, expected.sha256):
            raise self._damaged(f"{_file_of(table)} is not what was written")

    @contextmanager
    def _named(self, what: str = MANIFEST) -> Iterator[None]:
        try:
            yield
        except zipfile.BadZipFile as error:
            whole = "File is not a zip file" in str(error)
            raise self._damaged("it is no ZIP file, or not all of one" if whole else what) from None
        except (zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError):
            raise self._damaged(what) from None
        except OSError as error:
            if error.filename is not None:  # it cannot be opened
                raise
            raise self._damaged(what) from None  # it points out of itself
        except KeyError:
            raise self._damaged(f"{what} is not in it") from None
        except (ValidationError, ValueError):
            raise self._damaged(f"{what} is not one of this format") from None

    def _damaged(self, what: str) -> Permanent:
        return Permanent(f"{self._path.name} is no whole backup: {what}")


def _file_of(table: str) -> str:
    return f"tables/{table}.copy"
