"""Measures what encoding costs on this host, with frames from the buffers of a running
deployment.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from statistics import mean

from platereel.wiring import frame_buffer
from shared.adapters.video.av_video import AvVideo
from shared.domain.capacity import CameraLoad, Figures
from shared.domain.codec import Codec
from shared.domain.errors import NotFound
from shared.domain.media import Frame
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import FrameBuffer
from shared.runtime.settings import Settings
from shared.wire.frames import check_jpeg

FRAMES, ENOUGH = 75, 0.8
CpuClock = Callable[[], float]


def measured(
    settings: Settings, loads: list[tuple[str, CameraLoad]], cpu_s: CpuClock = time.process_time
) -> tuple[Figures, list[tuple[str, CameraLoad]]]:
    """Returns figures of this host and these cameras, and the loads with their cameras' real sizes.

    A load that is no camera of the deployment is measured with the first camera's frames. Raises
    NotFound while no camera has most of a part in the buffer: with fewer frames the keyframe would
    be too large a share.
    """
    with frame_buffer(settings) as buffer:
        taken = {camera_id: _newest(buffer, camera_id) for camera_id in settings.cameras}
    taken = {
        camera_id: frames
        for camera_id, frames in taken.items()
        if len(frames) >= _enough(settings, camera_id)
    }
    if not taken:
        raise NotFound(
            "no camera of the deployment has most of a part in the buffer: measure in some seconds"
        )
    known = [
        (name, _real(load, taken.get(name) or next(iter(taken.values())))) for name, load in loads
    ]
    return _figures(settings, known, taken, cpu_s), known


def _enough(settings: Settings, camera_id: str) -> float:
    policy = settings.policy(camera_id)
    return min(FRAMES, policy.part_seconds * policy.capture_fps) * ENOUGH


def _newest(buffer: FrameBuffer, camera_id: str) -> list[Frame]:
    bounds = buffer.bounds([camera_id]).get(camera_id)
    if bounds is None:
        return []
    return list(islice(buffer.read(camera_id, bounds.oldest_ms, bounds.newest_ms + 1), FRAMES))


def _real(load: CameraLoad, frames: list[Frame]) -> CameraLoad:
    info = check_jpeg(frames[-1].data)
    return replace(
        load,
        width=info.width,
        height=info.height,
        jpeg_bytes=mean(len(frame.data) for frame in frames),
    )


def _figures(
    settings: Settings,
    loads: list[tuple[str, CameraLoad]],
    taken: dict[str, list[Frame]],
    cpu_s: CpuClock,
) -> Figures:
    """Returns the mean cost per codec of encoding each camera's frames as they would be
    recorded.
    """
    costs: dict[Codec, list[float]] = defaultdict(list)
    sizes: dict[Codec, list[float]] = defaultdict(list)
    video = AvVideo()
    for name, load in loads:
        if load.codec == Codec.COPY:
            continue  # nothing is encoded, and the camera decides how large its packets are
        frames = taken.get(name) or next(iter(taken.values()))
        policy = replace(settings.policy(name), codec=load.codec)
        began = cpu_s()
        size = _encoded(video, policy, frames)
        megapixels = len(frames) * load.megapixels
        costs[load.codec].append((cpu_s() - began) / megapixels)
        sizes[load.codec].append(size / (megapixels * load.scaled))
    reference = Figures()
    return replace(
        reference,
        writer_s_per_megapixel={
            **reference.writer_s_per_megapixel,
            **{c: mean(v) for c, v in costs.items()},
        },
        clip_bytes_per_megapixel={
            **reference.clip_bytes_per_megapixel,
            **{c: mean(v) for c, v in sizes.items()},
        },
    )


def _encoded(video: AvVideo, policy: RecordingPolicy, frames: list[Frame]) -> int:
    """Returns the size of the frames as one part.

    The first encoder is opened before, as a writer's is.
    """
    form = video.form(frames[0].data, policy)
    encoder = video.encoder(policy, form, frames[0].captured_ms)
    for frame in frames:
        encoder.add(frame.data, frame.captured_ms)
    return len(encoder.finish().data)
