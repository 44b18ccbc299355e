"""What was told of cameras: that they are down, and up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain.camera import CameraNews


class CameraNewsRows(Protocol):
    """The last news of each camera."""

    def told(self) -> Mapping[str, CameraNews]:
        """Returns the last news by camera."""

    def tell(self, news: Sequence[CameraNews]) -> int:
        """Tell what is new, as events, in one transaction.

        Returns how many were: what somebody else has told already is told no second time.
        """
