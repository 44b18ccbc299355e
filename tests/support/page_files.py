"""What a file of the page makes a browser fetch."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import urljoin

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_IMPORT = re.compile(
    r"""^(?:import|export)\s*(?:[\w*{}\s,]+\bfrom\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']""",
    re.MULTILINE,
)
_URL = re.compile(r"""url\(\s*["']?([^"')]+)["']?\s*\)""")


class _Names(HTMLParser):
    """Addresses of a document's links and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"link", "script"}:
            self.found += [value for name, value in attrs if name in {"href", "src"} and value]


def named_by(path: str, text: str) -> list[str]:
    """Return the paths that the file at `path` names: of a document, a module, a style or a
    manifest.
    """
    if path.endswith(".js"):
        # an import in a comment is a type's, for the compiler alone
        found = [one or other for one, other in _IMPORT.findall(_COMMENT.sub("", text))]
    elif path.endswith(".css"):
        found = _URL.findall(_COMMENT.sub("", text))
    elif path.endswith(".webmanifest"):
        body = json.loads(text)
        found = [body["start_url"], *(each["src"] for each in body["icons"])]
    elif path.endswith(".svg"):
        found = []
    else:
        document = _Names()
        document.feed(text)
        found = document.found
    return [urljoin(path, each) for each in found]
