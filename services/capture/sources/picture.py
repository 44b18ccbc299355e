"""What a source yields, and how a source is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from shared.domain.errors import BadInput, Retryable

TIMEOUT_SECONDS = 10.0


class SourceLost(Retryable):
    """The source ended, does not answer, or delivers nothing. It is opened again after a pause."""


class Unusable(SourceLost):
    """The source delivers, but not what this camera's settings need.

    Opening it again changes nothing.
    """


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    jpeg: makes its JPEG, called only for pictures that are kept. source_s: the source's own time in
    seconds, from any zero. captured_ms: its capture time, where the source knows it absolutely.
    """

    jpeg: Callable[[], bytes]
    source_s: float | None = None
    captured_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A packet of the camera's own video, in decoding order.

    source_s: when it is decoded, by the source's own time; shown_after_ms: how much later its
    picture is shown. parameters: its codec and a hash of its parameter sets.
    """

    data: bytes
    keyframe: bool
    parameters: str
    source_s: float
    shown_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """What a connection's clips are made of; comes before its pictures.

    copied: the camera's own packets. why: what speaks against them, where they were wanted.
    """

    copied: bool
    why: str = ""


class PictureSource(Protocol):
    """A camera's pictures."""

    def pictures(self) -> Iterator[Picture]:
        """Open and read until the source is lost (SourceLost) or exhausted (the iterator ends)."""


class Source(Protocol):
    """A camera's pictures, and its packets if it is copied.

    A source that says nothing of it is not copied.
    """

    def pictures(self) -> Iterator[Picture | CodedPicture | Decided]:
        """Open and read until the source is lost (SourceLost) or exhausted (the iterator ends)."""


def options_of(name: str, allowed: set[str]) -> tuple[str, dict[str, str]]:
    """Returns the parts of `name?key=value&…`; an unknown key raises BadInput."""
    head, _, query = name.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - allowed)
    if unknown:
        raise BadInput(
            "source", f"unknown option {unknown[0]}; known are {', '.join(sorted(allowed))}"
        )
    return head, options


def number(options: dict[str, str], key: str, default: float, least: float, most: float) -> float:
    """Returns a numeric option within its limits."""
    try:
        value = float(options.get(key, default))
    except ValueError:
        raise BadInput("source", f"{key} is not a number") from None
    if not least <= value <= most:
        raise BadInput("source", f"{key} is outside {least:g} to {most:g}")
    return value
