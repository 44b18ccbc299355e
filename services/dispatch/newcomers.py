"""Which strangers among the cameras of a batch are new ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from services.dispatch.policies import Policies
from shared.domain.errors import Retryable


@dataclass(slots=True)
class Newcomers:
    """Looks at most once for a batch, however many strangers it has."""

    policies: Policies
    _looked: bool = False
    _found: Collection[str] | None = field(default=None)

    def may_be(self, camera_id: str) -> bool:
        """Returns whether a camera that is not known was made since; True while nobody can say, for
        what is rejected is rejected for good.
        """
        if not self._looked:
            self._looked = True
            try:
                self._found = self.policies.new()
            except Retryable:
                self._found = None
        return self._found is None or camera_id in self._found
