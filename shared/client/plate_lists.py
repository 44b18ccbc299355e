"""Lists of plates, through the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from shared.client.http import HttpApi, Progress
from shared.wire import api


class PlateListCalls(HttpApi):
    """The part of the client that keeps lists. It needs an admin's key, or an operator's with the
    right to the lists.
    """

    def lists(self) -> api.PlateLists:
        """Returns all lists."""
        return self._read(api.PlateLists, "lists")

    def plate_list(self, name: str) -> api.PlateList:
        """Returns a list's settings and the number of its entries."""
        return self._read(api.PlateList, _path(name))

    def create_list(self, name: str, kind: str, **settings: Any) -> api.PlateList:
        """Make a list of the kind known, watch or ignore. settings: the fields of ListRequest."""
        body = {"name": name, "kind": kind, **settings}
        return self._send(api.PlateList, "POST", "lists", body)

    def change_list(self, name: str, **changes: Any) -> api.PlateList:
        """Change settings of a list, also to None: the fields of ListPatch."""
        return self._patch(api.PlateList, _path(name), changes)

    def delete_list(self, name: str) -> None:
        """Delete a list with all its entries."""
        self._answer("DELETE", _path(name))

    def list_entries(
        self,
        name: str,
        *,
        plate: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> api.EntryPage:
        """Returns a page of entries by plate; its `next_cursor` is the `cursor` of the next."""
        query = {"plate": plate, "limit": limit, "cursor": cursor}
        return self._read(api.EntryPage, f"{_path(name)}/entries", query)

    def every_list_entry(self, name: str, plate: str | None = None) -> Iterator[api.ListEntry]:
        """Yields all entries of a list that match, page by page."""
        page = self.list_entries(name, plate=plate, limit=1000)
        yield from page.items
        while page.next_cursor is not None:
            page = self.list_entries(name, plate=plate, limit=1000, cursor=page.next_cursor)
            yield from page.items

    def add_to_list(self, name: str, plate: str, **settings: Any) -> api.ListEntry:
        """Add a plate or a wildcard. settings: the fields of EntryRequest; times have a zone."""
        body = {"plate": plate, **{key: _plain(value) for key, value in settings.items()}}
        return self._send(api.ListEntry, "POST", f"{_path(name)}/entries", body)

    def change_list_entry(self, name: str, entry_id: UUID | str, **changes: Any) -> api.ListEntry:
        """Change an entry, also to None: the fields of EntryPatch."""
        given = {key: _plain(value) for key, value in changes.items()}
        return self._patch(api.ListEntry, f"{_path(name)}/entries/{entry_id}", given)

    def remove_from_list(self, name: str, entry_id: UUID | str) -> None:
        """Take an entry off a list."""
        self._answer("DELETE", f"{_path(name)}/entries/{entry_id}")

    def import_list(
        self, name: str, file: bytes, *, dry_run: bool = False, partial: bool = False
    ) -> api.ImportReport:
        """Import a CSV file. dry_run: only say what it would do; partial: import the good lines
        where others are wrong.
        """
        query = urlencode({"dry_run": str(dry_run).lower(), "partial": str(partial).lower()})
        path = f"{_path(name)}/import?{query}"
        return self._send(api.ImportReport, "POST", path, file, again=True)

    def export_list(self, name: str, path: Path, progress: Progress = lambda *_: None) -> Path:
        """Fetch a list as CSV to `path`, whole or not at all."""
        return self._fetch(f"{_path(name)}/export", path, progress)

    def preview_entry(self, plate: str, tolerance: float = 0.0, days: float = 30.0) -> api.Preview:
        """Returns what an entry would accept, and which recent segments it would have matched."""
        body = {"plate": plate, "tolerance": tolerance, "days": days}
        return self._send(api.Preview, "POST", "list-preview", body, again=True)


def _path(name: str) -> str:
    return f"lists/{quote(name, safe='')}"


def _plain(value: object) -> object:
    isoformat = getattr(value, "isoformat", None)
    return value if isoformat is None else isoformat()
