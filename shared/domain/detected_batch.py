"""Several detections of one camera as one change of its windows, for one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from shared.domain.recording import (
    Closed,
    Detected,
    Effect,
    Extended,
    Late,
    Lengthened,
    Mint,
    Missed,
    Opened,
    step,
)
from shared.domain.windows import CameraWindows, Window

Span = tuple[int, int]


def detected_all(
    state: CameraWindows, given: Iterable[Detected], mint: Mint
) -> tuple[CameraWindows, list[Effect], list[tuple[UUID, ...] | None]]:
    """Apply detections one after another.

    Returns the windows after all of them, their effects (see `condensed`), and for each detection
    the segments that its footage was in at its turn; None for one that was missed.
    """
    effects: list[Effect] = []
    met: list[tuple[UUID, ...] | None] = []
    for each in given:
        state, more = step(state, each, mint)
        if any(isinstance(effect, Missed) for effect in more):
            met.append(None)
            continue
        effects += more
        met.append(tuple(window.segment_id for window in state.meeting(*each.wanted)))
    return state, condensed(effects), met


def condensed(effects: Iterable[Effect]) -> list[Effect]:
    """Returns effects that lead to the same windows, at most one of a kind for each segment.

    They are in the order in which their segments first changed. That order can be performed: a
    window only grows, so none overlaps another before its turn, and a window that is closed comes
    before the one that then grows.
    """
    changes: dict[UUID, dict[type[Effect], Effect]] = {}
    for effect in effects:
        match effect:
            case Missed():
                continue
            case Opened(window):
                changes[window.segment_id] = {Opened: effect}
            case Extended() | Late() | Lengthened() | Closed():
                before = changes.setdefault(effect.segment_id, {})
                opened = before.get(Opened)
                if isinstance(opened, Opened):
                    before[Opened] = replace(opened, window=_changed(opened.window, effect))
                else:
                    before[type(effect)] = effect
    return [effect for change in changes.values() for effect in change.values()]


def _changed(window: Window, effect: Extended | Late | Lengthened | Closed) -> Window:
    match effect:
        case Extended(_, end_ms):
            return replace(window, end_ms=end_ms)
        case Late(_, late_ms):
            return replace(window, late_ms=late_ms)
        case Lengthened(_, end_ms, late_ms):
            return replace(window, end_ms=end_ms, late_ms=late_ms)
        case Closed(_, end_ms):
            return replace(window, end_ms=end_ms, growing=False)


def joined(spans: Iterable[Span]) -> Sequence[Span]:
    """Returns the spans in order, those that meet or touch as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
