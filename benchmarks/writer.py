"""Writer: JPEG frames in memory to an MP4 file, one encoder thread, against OpenCV's writer and the
ffmpeg command. Ours has the peer's quality (SSIM) wherever speeds are compared: OpenCV's writer has
no setting for it, so ours is tuned to it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.harness import ROUNDS, Row, compare, in_turn
from benchmarks.scene import jpegs
from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import Codec
from shared.domain.parts import ClipForm, Piece
from shared.domain.policy import RecordingPolicy

FPS, PART_SECONDS = 15, 5
SIZES = ((1280, 720), (1920, 1080))
SSIM, SSIM_STEP = 0.980, 0.0004
HALVINGS = 7
WORST_MP4V = 4


@dataclass(frozen=True, slots=True)
class _Footage:
    """Frames in memory, and the same as a Motion JPEG file for the ffmpeg command."""

    jpegs: list[bytes]
    width: int
    height: int
    folder: Path

    @property
    def mjpeg(self) -> Path:
        return self.folder / f"{len(self.jpegs)}.mjpeg"

    def beginning(self) -> _Footage:
        """Its first part, to tune qualities with."""
        part = replace(self, jpegs=self.jpegs[: FPS * PART_SECONDS])
        part.mjpeg.write_bytes(b"".join(part.jpegs))
        return part


def run(*, quick: bool) -> list[Row]:
    """Rows of both sizes; quick: a dozen frames of a small one."""
    require_ffmpeg()
    rows: list[Row] = []
    for width, height in ((320, 180),) if quick else SIZES:
        with TemporaryDirectory(prefix="platereel-bench-") as folder:
            footage = _Footage(
                jpegs(width, height, 12 if quick else 300), width, height, Path(folder)
            )
            footage.mjpeg.write_bytes(b"".join(footage.jpegs))
            rounds = 1 if quick else ROUNDS
            rows += _against_opencv(footage, rounds) + _against_ffmpeg(footage, rounds)
    return rows


def require_ffmpeg() -> None:
    """Raise where the ffmpeg command, the peer and the judge of quality, is missing."""
    if shutil.which("ffmpeg") is None:
        raise RuntimeError("this benchmark compares with the ffmpeg command: install ffmpeg")


def write_clip(
    frames: Sequence[bytes],
    policies: Sequence[RecordingPolicy],
    size: tuple[int, int],
    path: Path,
) -> None:
    """What write_part and finalise do, without servers: parts of five seconds, joined; the policies
    are those of the parts, in turn.
    """
    video = AvVideo()
    form = ClipForm(*size, "")
    pieces = []
    in_part = FPS * PART_SECONDS
    for first in range(0, len(frames), in_part):
        start_ms = _ms(first)
        policy = policies[first // in_part % len(policies)]
        encoder = video.encoder(policy, form, start_ms)
        for number, jpeg in enumerate(frames[first : first + in_part], first):
            encoder.add(jpeg, _ms(number))
        part = encoder.finish()
        pieces.append(Piece(start_ms, part.data, part.index))
    span_ms = (0, _ms(len(frames)))
    video.join(path=path, pieces=pieces, span_ms=span_ms, policy=policies[0], form=form)


def _ms(number: int) -> int:
    return round(number * 1000 / FPS)


def _opencv(footage: _Footage, path: Path) -> None:
    """The single-process predecessor: decode to BGR, write mp4v at a nominal rate."""
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), fourcc, FPS, (footage.width, footage.height))
    for jpeg in footage.jpegs:
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise RuntimeError("OpenCV cannot read its own JPEG")
        writer.write(image)
    writer.release()


def _command(footage: _Footage, crf: float, path: Path) -> None:
    subprocess.run(  # noqa: S603 - our own arguments
        [
            "ffmpeg",
            "-y",
            "-v",
            "error",
            "-threads",
            "1",
            "-f",
            "mjpeg",
            "-framerate",
            str(FPS),
            "-i",
            str(footage.mjpeg),
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            f"{crf:.2f}",
            "-threads",
            "1",
            "-pix_fmt",
            "yuv420p",
            "-movflags",
            "+faststart",
            str(path),
        ],
        check=True,
    )


def ssim(clip: Path, footage_file: Path) -> float:
    """SSIM (ffmpeg's, all planes) of a clip to its footage; frames are matched by number, not by
    rounded times.
    """
    whole = "settb=1/90000,setpts=N*6000"
    ours = f"[0:v]{whole},scale=in_range=auto:out_range=pc,format=yuvj420p[a]"
    judge = f"{ours};[1:v]{whole},format=yuvj420p[b];[a][b]ssim"
    told = subprocess.run(  # noqa: S603 - our own arguments
        [
            "ffmpeg",
            "-hide_banner",
            "-nostats",
            "-i",
            str(clip),
            "-f",
            "mjpeg",
            "-framerate",
            str(FPS),
            "-i",
            str(footage_file),
            "-lavfi",
            judge,
            "-f",
            "null",
            "-",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    return float(told.rsplit("All:", 1)[1].split()[0])


def _against_opencv(footage: _Footage, rounds: int) -> list[Row]:
    size, folder = (footage.width, footage.height), footage.folder
    paths = {name: folder / f"{name}.mp4" for name in ("mp4v", "h264", "opencv")}
    _opencv(footage, paths["opencv"])
    mp4v = _mp4v_at(footage, ssim(paths["opencv"], footage.mjpeg), paths["mp4v"])
    h264 = RecordingPolicy(fps=FPS, encoder="software")
    costs = in_turn(
        {
            "mp4v": partial(write_clip, footage.jpegs, mp4v, size, paths["mp4v"]),
            "opencv": partial(_opencv, footage, paths["opencv"]),
            "h264": partial(write_clip, footage.jpegs, [h264], size, paths["h264"]),
        },
        rounds,
    )
    speed = {name: len(footage.jpegs) / cost.cpu_s for name, cost in costs.items()}
    quality = {name: ssim(path, footage.mjpeg) for name, path in paths.items()}
    megabytes = {name: path.stat().st_size / 1e6 for name, path in paths.items()}
    case = f"{footage.height}p"
    return [
        compare(
            case=f"{case} mp4v / OpenCV mp4v",
            metric="frames per CPU s",
            ours=speed["mp4v"],
            peer=speed["opencv"],
            target=">= 1.9",
        ),
        compare(
            case=f"{case} mp4v / OpenCV mp4v",
            metric="SSIM",
            ours=quality["mp4v"],
            peer=quality["opencv"],
            target=">= 1.0",
        ),
        compare(f"{case} mp4v / OpenCV mp4v", "MB", megabytes["mp4v"], megabytes["opencv"]),
        compare(
            case=f"{case} h264 / OpenCV mp4v",
            metric="frames per CPU s",
            ours=speed["h264"],
            peer=speed["opencv"],
            target=">= 0.75",
        ),
        compare(
            case=f"{case} h264 / OpenCV mp4v",
            metric="MB",
            ours=megabytes["h264"],
            peer=megabytes["opencv"],
            target="<= 0.60",
        ),
        compare(f"{case} h264 / OpenCV mp4v", "SSIM", quality["h264"], quality["opencv"]),
    ]


def _mp4v_at(footage: _Footage, wanted: float, path: Path) -> tuple[RecordingPolicy, ...]:
    """Policies of a clip's parts, in turn, with which our mp4v just reaches an SSIM.

    Quantisers are whole numbers and far apart, so some parts have one and some the next.
    """
    size = (footage.width, footage.height)
    parts = max(1, -(-len(footage.jpegs) // (FPS * PART_SECONDS)))
    for coarser in range(WORST_MP4V, 1, -1):
        for finer in range(1 if coarser < WORST_MP4V else 0, parts + 1):
            policies = (_mp4v(coarser - 1),) * finer + (_mp4v(coarser),) * (parts - finer)
            write_clip(footage.jpegs, policies, size, path)
            if ssim(path, footage.mjpeg) >= wanted:
                return policies
    return (_mp4v(1),)


def _mp4v(quantiser: int) -> RecordingPolicy:
    return RecordingPolicy(codec=Codec.MP4V, quality=quantiser, fps=FPS, encoder="software")


def _against_ffmpeg(footage: _Footage, rounds: int) -> list[Row]:
    """Both at the same SSIM, tuned on the first seconds: ours a whole CRF that reaches it, the
    command's to fit.
    """
    size, ours, theirs = (
        (footage.width, footage.height),
        footage.folder / "ours.mp4",
        footage.folder / "ffmpeg.mp4",
    )
    tuning = footage.beginning()
    policy, reached = _policy_at(tuning, SSIM, ours)
    crf = _crf_at(tuning, reached, theirs)
    costs = in_turn(
        {
            "ours": partial(write_clip, footage.jpegs, [policy], size, ours),
            "ffmpeg": partial(_command, footage, crf, theirs),
        },
        rounds,
    )
    speed = {name: len(footage.jpegs) / cost.cpu_s for name, cost in costs.items()}
    case = f"{footage.height}p h264 / ffmpeg veryfast"
    return [
        compare(
            case=case,
            metric="frames per CPU s",
            ours=speed["ours"],
            peer=speed["ffmpeg"],
            target=">= 1.4",
        ),
        compare(
            case=case,
            metric="MB",
            ours=ours.stat().st_size / 1e6,
            peer=theirs.stat().st_size / 1e6,
            target="<= 1.05",
        ),
        compare(case, "SSIM", ssim(ours, footage.mjpeg), ssim(theirs, footage.mjpeg)),
    ]


def _policy_at(footage: _Footage, wanted: float, path: Path) -> tuple[RecordingPolicy, float]:
    """The largest CRF at which our clip reaches an SSIM."""
    low, high = 1, 40
    while low < high:
        middle = (low + high + 1) // 2
        write_clip(footage.jpegs, [_policy(middle)], (footage.width, footage.height), path)
        low, high = (middle, high) if ssim(path, footage.mjpeg) >= wanted else (low, middle - 1)
    write_clip(footage.jpegs, [_policy(low)], (footage.width, footage.height), path)
    return _policy(low), ssim(path, footage.mjpeg)


def _policy(crf: int) -> RecordingPolicy:
    return RecordingPolicy(quality=crf, fps=FPS, encoder="software")


def _crf_at(footage: _Footage, wanted: float, path: Path) -> float:
    """The CRF at which the command's clip has the same SSIM, by halving."""
    low, high = 1.0, 40.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        _command(footage, middle, path)
        got = ssim(path, footage.mjpeg)
        if abs(got - wanted) <= SSIM_STEP:
            return middle
        low, high = (middle, high) if got > wanted else (low, middle)
    return (low + high) / 2
