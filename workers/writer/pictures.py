"""Takes the pictures of passes while their footage is in the buffer.

A picture is worth less than a part: whatever goes wrong here is logged, and the picture is made
from the clip when somebody looks for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.errors import PlatereelError
from shared.domain.picture_taking import from_buffer, keep
from shared.domain.pictures import Taken
from shared.domain.ports import PartRun
from shared.runtime.logs import logger
from shared.wire.keys import picture_keys
from workers.writer.ports import WriterPorts

_log = logger(__name__)


def take_pictures(run: PartRun, ports: WriterPorts) -> list[Taken]:
    """Returns pictures of the best reads in a part's stretch of time."""
    try:
        wanted = ports.pictures.wanted(run.camera_id, run.start_ms, run.end_ms)
        taken = [from_buffer(each, ports.frames, ports.video) for each in wanted]
    except PlatereelError as error:
        _log.warning("pictures_not_taken", camera_id=run.camera_id, error=error.message)
        return []
    return [each for each in taken if each is not None]


def store_pictures(taken: Sequence[Taken], ports: WriterPorts) -> None:
    """Store pictures, and note them in the rows of their passes."""
    for each in taken:
        try:
            keep(
                each,
                ports.store,
                ports.pictures,
                *picture_keys(each.wanted.pass_id, each.wanted.captured_ms),
            )
        except PlatereelError as error:
            _log.warning(
                "pictures_not_stored", pass_id=str(each.wanted.pass_id), error=error.message
            )
