"""The settings that count for this process."""

from __future__ import annotations

import os

from services.api.bodies import data_router
from services.api.callers import Admin, Ports, require_all_cameras
from shared.runtime.effective import effective
from shared.wire import api as schemas

router = data_router("configuration")


@router.get("/configuration")
def configuration(ports: Ports, caller: Admin) -> schemas.Configuration:
    """Returns every setting of this API process, its value and where that comes from.

    Of a camera those that are its own; `defaults` has what counts for the others. Secrets are not
    shown, and of an address scheme, host and port.
    """
    require_all_cameras(caller)
    made = [each for each in ports.settings.cameras if not ports.cameras.in_file(each)]
    found = effective(ports.settings, os.environ, made)
    return schemas.Configuration.model_validate(
        {"items": found, "total": len(found)}, from_attributes=True
    )
