"""A picture of a benchmark's rows: each bar is ours as a multiple of the peer's, with the target it
is held against.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.harness import Row

CHARTS = Path(__file__).parents[1] / "docs" / "charts"
_WIDTH, _LABELS, _LINE, _BAR, _TOP = 860, 360, 30, 16, 46
_STYLE = 'role="img" font-family="system-ui, sans-serif" font-size="13"'
_COLOURS = {True: "#2f8f5b", False: "#c2542f", None: "#5b7fa6"}


def draw(name: str, rows: Sequence[Row], machine: str) -> Path | None:
    """Write docs/charts/NAME.svg; None when no row has a peer."""
    compared = [row for row in rows if row.ratio is not None]
    if not compared:
        return None
    furthest = max([1.2] + [max(row.ratio or 0, _limit(row) or 0) for row in compared]) * 1.08
    scale = (_WIDTH - _LABELS - 70) / furthest
    height = _TOP + _LINE * len(compared) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_STYLE}>',
        f"<title>{escape(name)}: ours as a multiple of the peer's</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" font-size="16" font-weight="600">{escape(name)}</text>',
        f'<text x="{_WIDTH - 12}" y="24" fill="#666" text-anchor="end">{escape(machine)}</text>',
    ]
    for number, row in enumerate(compared):
        parts += _bar(row, _TOP + number * _LINE, scale)
    bottom = height - 30
    peer = _LABELS + scale
    parts += [
        f'<line x1="{peer:.1f}" x2="{peer:.1f}" y1="{_TOP - 8}" y2="{bottom}" stroke="#444"/>',
        f'<text x="{peer:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#444">the peer</text>',
        f'<text x="{_WIDTH - 12}" y="{bottom + 16}" text-anchor="end" fill="#666">dashed: the target</text>',
        "</svg>",
    ]
    CHARTS.mkdir(exist_ok=True)
    path = CHARTS / f"{name}.svg"
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return path


def _limit(row: Row) -> float | None:
    return None if row.target is None else float(row.target.split()[1])


def _bar(row: Row, top: float, scale: float) -> list[str]:
    ratio, limit = row.ratio or 0.0, _limit(row)
    middle = top + _BAR - 3
    label = escape(f"{row.case}, {row.metric}")
    parts = [
        f'<text x="{_LABELS - 10}" y="{middle:.1f}" text-anchor="end">{label}</text>',
        f'<rect x="{_LABELS}" y="{top:.1f}" width="{ratio * scale:.1f}" height="{_BAR}" fill="{_COLOURS[row.met]}"/>',
        f'<text x="{_LABELS + ratio * scale + 6:.1f}" y="{middle:.1f}">{ratio:.2f}</text>',
    ]
    if limit is not None:
        x = _LABELS + limit * scale
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3:.1f}" y2="{top + _BAR + 3:.1f}" stroke="#000" '
            f'stroke-width="2" stroke-dasharray="3 2"><title>target {escape(row.target or "")}</title></line>'
        )
    return parts
