"""A codec is a row in three files; every other place asks one of those rows."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.video.codecs import MAKING, options_of
from shared.adapters.video.copy import COPIED, copied_codec
from shared.domain.capacity import Figures, clip_bytes
from shared.domain.codec import CODECS, CODED, COPYABLE, Codec
from shared.domain.errors import Permanent
from shared.domain.parts import ClipForm
from shared.domain.policy import RecordingPolicy, unfit
from shared.runtime.sections import RecordingSettings
from shared.wire import parameter_sets

ROOT = Path(__file__).parents[2]
ROWS = {
    "shared/domain/codec.py",
    "shared/adapters/video/codecs.py",
    "shared/wire/parameter_sets.py",
}
# In these files a word of the same spelling is FFmpeg's, of what a camera or a picture is.
FFMPEG = {
    "shared/adapters/video/jpeg.py",
    "services/capture/sources/stream.py",
    "services/capture/sources/snapshots.py",
}


def test_every_table_has_every_codec() -> None:
    assert set(CODECS) == set(Codec)
    assert set(MAKING) == set(CODED) == set(Codec) - {Codec.COPY}
    assert set(parameter_sets._SETS) == set(CODED)
    assert set(Figures().writer_s_per_megapixel) == set(Codec)
    assert set(Figures().clip_bytes_per_megapixel) | {Codec.MJPEG} == set(Codec)


def test_parts_of_two_codecs_have_names_of_their_own() -> None:
    suffixes = [row.suffix for row in CODECS.values()]
    assert len(set(suffixes)) == len(suffixes)
    assert all(re.fullmatch(r"[a-z0-9]+", suffix) for suffix in suffixes)


@pytest.mark.parametrize("codec", Codec)
def test_settings_policy_and_api_know_a_codec(codec: Codec) -> None:
    assert RecordingSettings.model_validate({"codec": codec.value}).codec == codec
    assert RecordingPolicy.from_json(RecordingPolicy(codec=codec).to_json()).codec is codec
    assert clip_bytes(RecordingPolicy(codec=codec), (1920, 1080)) > 0


@pytest.mark.parametrize("codec", [codec for codec in Codec if not CODECS[codec].keeps_source])
def test_a_codec_that_is_encoded_has_options_and_a_limit(codec: Codec) -> None:
    policy, row = RecordingPolicy(codec=codec), CODECS[codec]
    assert row.default_quality is not None
    assert row.worst_quality is not None
    assert 0 < row.default_quality < row.worst_quality
    for encoder in MAKING[codec].encoders("auto"):
        assert options_of(encoder, policy)
        assert options_of(encoder, replace(policy, bitrate=1_000_000))
    assert unfit(replace(policy, quality=row.worst_quality)) is None
    assert unfit(replace(policy, quality=row.worst_quality + 1)) == (
        f"quality of {codec} is 1 to {row.worst_quality}, not {row.worst_quality + 1}"
    )


@pytest.mark.parametrize("codec", [codec for codec in Codec if CODECS[codec].keeps_source])
def test_what_a_camera_sends_has_no_quality_to_set(codec: Codec) -> None:
    for name in ("quality", "keyframe_seconds"):
        assert unfit(RecordingPolicy.from_json({"codec": codec, name: 5})) == (
            f"{name} cannot be set with codec {codec}, which keeps what the camera sends"
        )


def test_the_rows_of_a_newer_version_can_be_read() -> None:
    """A codec that this version does not know spoils its own segment, and no statement that reads
    many.
    """
    policy = RecordingPolicy.from_json({"codec": "h266", "fps": 9.0})
    assert (policy.codec, policy.fps, policy.copied) == ("h266", 9.0, False)


def test_packets_of_a_codec_that_cannot_be_copied_are_refused_by_name() -> None:
    assert [copied_codec(ClipForm(2, 2, f"{COPIED}{codec}")) for codec in COPYABLE] == list(
        COPYABLE
    )
    assert copied_codec(ClipForm(2, 2, "libx264")) is None
    with pytest.raises(Permanent, match="unknown codec: vp9"):
        copied_codec(ClipForm(2, 2, f"{COPIED}vp9"))


def test_no_other_file_spells_a_codec() -> None:
    """A new codec is three files: no switch elsewhere compares with its name."""
    names, found = {str(codec) for codec in Codec}, set()
    for folder in ("platereel", "shared", "services", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
            if not any(re.search(rf"""["']{codec}["']""", text) for codec in names):
                continue  # to parse every file takes a second
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and node.value in names:
                    found.add(name)
    assert found <= ROWS | FFMPEG
