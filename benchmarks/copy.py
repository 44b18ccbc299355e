"""Copy: minutes of a camera's H.264 packets into an MP4 without decoding, against `ffmpeg -c copy`
and our encoder.
"""

from __future__ import annotations

import subprocess
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cameras import h264_packets
from benchmarks.harness import ROUNDS, Row, compare, in_turn
from benchmarks.scene import jpegs
from benchmarks.writer import FPS, PART_SECONDS, require_ffmpeg, write_clip
from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import Codec
from shared.domain.media import Frame, PacketMark
from shared.domain.parts import Piece
from shared.domain.policy import RecordingPolicy

GOP, MINUTES, ENCODED = 30, 2, 150


def run(*, quick: bool) -> list[Row]:
    """Frames per CPU second; the packets are those of one short scene, over and over."""
    require_ffmpeg()
    size, length = ((320, 180), 60) if quick else ((1280, 720), 300)
    pictures = jpegs(*size, length)
    packets = h264_packets(pictures, *size, FPS, GOP)
    packets *= 1 if quick else MINUTES * 60 * FPS // length
    frames = copied_frames(packets)
    encoded = pictures[:30] if quick else pictures[:ENCODED]
    with TemporaryDirectory(prefix="platereel-bench-") as name:
        folder = Path(name)
        raw = folder / "camera.h264"
        raw.write_bytes(b"".join(packets))
        costs = in_turn(
            {
                "ours": partial(_copy, frames, folder / "ours.mp4"),
                "ffmpeg": partial(_command, raw, folder / "ffmpeg.mp4"),
                "h264": partial(
                    write_clip,
                    encoded,
                    [RecordingPolicy(fps=FPS, encoder="software")],
                    size,
                    folder / "h264.mp4",
                ),
            },
            1 if quick else ROUNDS,
        )
    ours, peer = len(frames) / costs["ours"].cpu_s, len(packets) / costs["ffmpeg"].cpu_s
    case = f"{size[1]}p, {len(frames)} packets"
    return [
        compare(
            case=f"{case} / ffmpeg -c copy",
            metric="frames per CPU s",
            ours=ours,
            peer=peer,
            target=">= 1.0",
        ),
        compare(
            case=f"{case} / our h264",
            metric="frames per CPU s",
            ours=ours,
            peer=len(encoded) / costs["h264"].cpu_s,
            target=">= 30",
        ),
    ]


def copied_frames(packets: list[bytes]) -> list[Frame]:
    """Packets as they lie in the buffer."""
    parameters = f"h264:{sha256(packets[0][:64]).hexdigest()[:8]}"
    made = []
    for number, data in enumerate(packets):
        at_ms = round(number * 1000 / FPS)
        made.append(
            Frame(
                camera_id="cam",
                captured_ms=at_ms,
                data=data,
                counter=number,
                run_id="run",
                packet=PacketMark(number % GOP == 0, at_ms, parameters),
            )
        )
    return made


def _copy(frames: list[Frame], path: Path) -> None:
    """What write_part and finalise do in copy mode, without servers."""
    video, pieces = AvVideo(), []
    in_part = PART_SECONDS * FPS
    for first in range(0, len(frames), in_part):
        start_ms = frames[first].captured_ms
        part = video.copier(start_ms)
        for frame in frames[first : first + in_part]:
            part.add(frame)
        made = part.finish()
        pieces.append(Piece(start_ms, made.data, made.index))
    form = video.copied_form(frames[0])
    video.join(
        path=path,
        pieces=pieces,
        span_ms=(0, round(len(frames) * 1000 / FPS)),
        policy=RecordingPolicy(codec=Codec.COPY, fps=FPS),
        form=form,
    )


def _command(raw: Path, path: Path) -> None:
    subprocess.run(  # noqa: S603 - our own arguments
        [
            "ffmpeg",
            "-y",
            "-v",
            "error",
            "-framerate",
            str(FPS),
            "-i",
            str(raw),
            "-c",
            "copy",
            "-movflags",
            "+faststart",
            str(path),
        ],
        check=True,
    )
