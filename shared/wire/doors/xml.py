"""XML from strangers as plain values, without what XML can be abused for.

A document type is refused where it begins, so there are no entities, and nothing is ever fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from shared.domain.errors import BadInput
from shared.wire.bounded_json import printable

MOST_BYTES = 1_000_000
MOST_NESTED = 16
MOST_ELEMENTS = 5_000


def read_xml(data: bytes, root: str) -> dict[str, Any]:
    """Returns the root element as a mapping: an element without children is its text, one that is
    repeated is a list. Attributes and the prefixes of names are left out.

    Raises BadInput for what is no such document.
    """
    if len(data) > MOST_BYTES:
        raise BadInput(root, f"{len(data)} bytes of XML are over the limit of {MOST_BYTES}")
    reader = _Reader(root)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: unknown encodings
        raise BadInput(root, f"not XML: {printable(str(error))}") from error
    return reader.found


@dataclass(slots=True)
class _Element:
    name: str
    texts: list[str] = field(default_factory=list)
    children: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: object) -> None:
        """Add a child; another of its name makes a list."""
        if name not in self.children:
            self.children[name] = value
        elif isinstance(self.children[name], list):
            self.children[name].append(value)
        else:
            self.children[name] = [self.children[name], value]

    def value(self) -> object:
        """Returns the children, or the text of an element without any."""
        return self.children or "".join(self.texts).strip()


@dataclass(slots=True)
class _Reader:
    """The handlers of one parser."""

    root: str
    found: dict[str, Any] = field(default_factory=dict)
    _open: list[_Element] = field(default_factory=list)
    _count: int = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if not self._open and local != self.root:
            raise BadInput(self.root, f"the root element is {printable(local, 64)}")
        self._count += 1
        if len(self._open) >= MOST_NESTED:
            raise BadInput(self.root, f"nested deeper than {MOST_NESTED}")
        if self._count > MOST_ELEMENTS:
            raise BadInput(self.root, f"more than {MOST_ELEMENTS} elements")
        self._open.append(_Element(local))

    def characters(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def end(self, _: str) -> None:
        element = self._open.pop()
        if self._open:
            self._open[-1].add(element.name, element.value())
        else:
            self.found = element.children

    def refuse_doctype(self, *_: object) -> None:
        raise BadInput(self.root, "a document type (DOCTYPE) is refused")
