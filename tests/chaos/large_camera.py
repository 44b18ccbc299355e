"""An HTTP camera whose pictures are large: what makes clips of a hundred megabytes in a minute."""

from __future__ import annotations

from tests.chaos.wild_camera import WildCamera
from tests.support.pictures import numbered_jpeg

_COMMENT_BYTES = 65_533  # the most that one comment of a JPEG holds


class LargeCamera(WildCamera):
    """Numbered pictures with comments in them until they have `picture_bytes`."""

    def __init__(self, fps: float, picture_bytes: int) -> None:
        self._padding = _comments(picture_bytes)
        super().__init__(fps)

    def picture(self) -> bytes | None:
        self.number += 1
        jpeg = numbered_jpeg(self.number)
        return jpeg[:2] + self._padding + jpeg[2:]


def _comments(size: int) -> bytes:
    made = b""
    while len(made) < size:
        body = bytes(min(_COMMENT_BYTES, size - len(made)))
        made += b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body
    return made
