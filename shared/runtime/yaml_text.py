"""A YAML text: its values, their lines, and words that YAML reads differently from what people
mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_NODES = 100_000
Place = tuple[str, ...]
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_READ_AS = {
    "tag:yaml.org,2002:bool": "as true or false",
    "tag:yaml.org,2002:int": "as a number",
    "tag:yaml.org,2002:float": "as a number",
    "tag:yaml.org,2002:null": "as nothing at all",
    "tag:yaml.org,2002:timestamp": "as a date",
}


@dataclass(slots=True)
class Document:
    """What a text holds. lines: of every key and value.

    misread: why a value that should be text is not text.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    lines: dict[Place, int] = field(default_factory=dict)
    misread: dict[Place, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def parse(text: str, name: str) -> Document:
    """Returns the document in a text.

    Its `problems` begin with `name` and a line; a text with problems cannot be used.
    """
    found = Document()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _Walk(found, name).visit(node, (), frozenset())
        data = None if found.problems else yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark is not None else name
        found.problems.append(f"{where}: not YAML: {getattr(error, 'problem', error)}")
    except RecursionError:
        found.problems.append(f"{name}: nested too deeply to be read")
    except (ValueError, OverflowError):
        found.problems.append(
            f"{name}: holds a date or a number that does not exist; put it in quotes"
        )
    else:
        if not found.problems and not isinstance(data, dict | None):
            found.problems.append(f"{name}:1: expected keys such as `cameras:`")
        found.data = data if isinstance(data, dict) else {}
    return found


class _Walk:
    """Visits every node; a node with several references is visited once for each."""

    def __init__(self, found: Document, name: str) -> None:
        self._found, self._name = found, name
        self._left = MOST_NODES

    def visit(self, node: yaml.Node, at: Place, above: frozenset[int]) -> None:
        self._left -= 1
        line = node.start_mark.line + 1
        if self._left == 0:
            self._found.problems.append(f"{self._name}: holds more than {MOST_NODES} values")
        if id(node) in above:
            self._found.problems.append(f"{self._name}:{line}: {'.'.join(at)}: refers to itself")
        if self._left <= 0 or id(node) in above:
            return
        inside = above | {id(node)}
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._entry(key, value, at, inside)
        elif isinstance(node, yaml.SequenceNode):
            for number, each in enumerate(node.value):
                self._found.lines.setdefault((*at, str(number)), each.start_mark.line + 1)
                self.visit(each, (*at, str(number)), inside)
        elif (reading := _misread(node)) is not None:
            told = isinstance(node, yaml.ScalarNode) and at[-1:] == ("name",)
            # another may be a secret
            self._found.misread[at] = f'{reading}: "{node.value}"' if told else reading

    def _entry(self, key: yaml.Node, value: yaml.Node, at: Place, inside: frozenset[int]) -> None:
        """Reports a key that is given twice or is not text, which YAML itself would hide."""
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            self._found.problems.append(
                f"{self._name}:{line}: {'.'.join((*at, '?'))}: a name is text, and no list"
            )
            return
        here = (*at, str(key.value))
        said = f"{self._name}:{line}: {'.'.join(here)}"
        if key.tag not in {_TEXT, _MERGE}:
            reading = _misread(key)
            wrong = "a name is text" if reading is None else f'{reading}: "{key.value}"'
            self._found.problems.append(f"{said}: {wrong}")
        elif here in self._found.lines:
            self._found.problems.append(f"{said}: given twice")
        self._found.lines[here] = line
        self.visit(value, here, inside)


def _misread(node: yaml.Node) -> str | None:
    """Returns why a word without quotes is not text; None where it is."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _READ_AS:
        return None
    return f"YAML reads this {_READ_AS[node.tag]}; put it in quotes"
