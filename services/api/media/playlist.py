"""HLS playlists (RFC 8216): a clip by its parts, during and after its recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil


@dataclass(frozen=True, slots=True)
class Stretch:
    """One part: from and to in ms after the clip's start.

    A new header is needed where `parameters` change.
    """

    from_ms: int
    to_ms: int
    parameters: str = ""
    missing: bool = False

    @property
    def name(self) -> str:
        """Its file name, without suffix."""
        return f"{self.from_ms}-{self.to_ms}"


def playlist(
    stretches: Sequence[Stretch], start: datetime, longest_s: float, *, ended: bool
) -> str:
    """Returns the playlist's text.

    Where parts are missing it says so, and players go on after them.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:8",
        f"#EXT-X-TARGETDURATION:{max([ceil(longest_s), *(round((s.to_ms - s.from_ms) / 1000) for s in stretches)])}",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if ended else 'EVENT'}",
    ]
    parameters: str | None = None
    begun = False
    for stretch in stretches:
        if not stretch.missing and stretch.parameters != parameters:
            if parameters is not None:
                lines.append("#EXT-X-DISCONTINUITY")
            parameters = stretch.parameters
            lines.append(f'#EXT-X-MAP:URI="hls/{stretch.name}.mp4"')
        if not begun:
            at = start + timedelta(milliseconds=stretch.from_ms)
            lines.append(
                f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
            )
            begun = True
        if stretch.missing:
            lines.append("#EXT-X-GAP")
        lines += [
            f"#EXTINF:{(stretch.to_ms - stretch.from_ms) / 1000:.3f},",
            f"hls/{stretch.name}.m4s",
        ]
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])
