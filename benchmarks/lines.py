"""A picture of what a run was like over time: panels below each other, over one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10
from pathlib import Path

from benchmarks.chart import CHARTS

_WIDTH, _LEFT, _RIGHT, _PANEL, _TOP, _BETWEEN = 860, 70, 20, 120, 56, 44
_STYLE = 'role="img" font-family="system-ui, sans-serif" font-size="12"'
_POINTS = 260
_COLOURS = ("#2f6f9f", "#c2542f", "#2f8f5b")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over time. title: with the unit of all of them; lines: their names and points."""

    title: str
    lines: tuple[tuple[str, Points], ...]


def draw_lines(
    name: str, machine: str, axis: str, panels: Sequence[Panel], marked: tuple[float, float, str]
) -> Path:
    """Write docs/charts/NAME.svg. marked: a stretch of the axis, and what happened in it."""
    points = [point for panel in panels for _, line in panel.lines for point in line]
    furthest = max((x for x, _ in points), default=1.0) or 1.0
    height = _TOP + len(panels) * (_PANEL + _BETWEEN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_STYLE}>',
        f"<title>{escape(name)}: {escape(', '.join(panel.title for panel in panels))}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="16" font-weight="600">{escape(name)}</text>',
        f'<text x="{_WIDTH - 12}" y="22" fill="#666" text-anchor="end">{escape(machine)}</text>',
    ]
    for number, panel in enumerate(panels):
        top = _TOP + number * (_PANEL + _BETWEEN)
        parts += _panel(panel, top, furthest, marked, said=number == 0)
    bottom = height - 12
    parts += [
        f'<text x="{_WIDTH - _RIGHT}" y="{bottom}" fill="#444" text-anchor="end">{escape(axis)}</text>',
        "</svg>",
    ]
    CHARTS.mkdir(exist_ok=True)
    path = CHARTS / f"{name}.svg"
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return path


def _panel(
    panel: Panel, top: float, furthest: float, marked: tuple[float, float, str], *, said: bool
) -> list[str]:
    wide = _WIDTH - _LEFT - _RIGHT
    most = _round_up(max((y for _, line in panel.lines for _, y in line), default=1.0))
    bottom = top + _PANEL

    def across(x: float) -> float:
        return _LEFT + x / furthest * wide

    began, ended, what = marked
    parts = [
        _box(across(began), across(ended), top),
        f'<text x="{_LEFT}" y="{top - 6}" fill="#222">{escape(panel.title)}</text>',
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}" stroke="#444"/>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end" fill="#666">0</text>',
        f'<text x="{_LEFT - 6}" y="{top + 9}" text-anchor="end" fill="#666">{most:g}</text>',
    ]
    if said:
        middle = across((began + ended) / 2)
        parts.append(
            f'<text x="{middle:.1f}" y="{top + 14}" text-anchor="middle" fill="#8a5a3c">{escape(what)}</text>'
        )
    minutes = range(0, int(furthest) + 1, max(1, round(furthest / 10)))
    parts += [
        f'<text x="{across(minute):.1f}" y="{bottom + 14}" text-anchor="middle" fill="#666">{minute}</text>'
        for minute in minutes
    ]
    for number, (label, line) in enumerate(panel.lines):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(
            f"{across(x):.1f},{bottom - y / most * _PANEL:.1f}" for x, y in _thinned(line)
        )
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            _label(label, _WIDTH - _RIGHT - 150 * (len(panel.lines) - number - 1), top, colour),
        ]
    return parts


def _thinned(line: Points) -> Points:
    """Returns at most so many points of a line as can be told apart, the last one among them."""
    every = ceil(len(line) / _POINTS) or 1
    return [*line[:-1:every], *line[-1:]]


def _box(left: float, right: float, top: float) -> str:
    size = f'width="{right - left:.1f}" height="{_PANEL}"'
    return f'<rect x="{left:.1f}" y="{top}" {size} fill="#f3e9e2"/>'


def _label(text: str, right: float, top: float, colour: str) -> str:
    at = f'x="{right}" y="{top - 6}" text-anchor="end"'
    return f'<text {at} fill="{colour}">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """Returns a round number that is not smaller, for the top of an axis."""
    if value <= 0:
        return 1.0
    step = 10.0 ** int(log10(value) if value >= 1 else log10(value) - 1)
    return float(ceil(value / step) * step)
