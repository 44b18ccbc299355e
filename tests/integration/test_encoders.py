"""Hardware encoders are tried in processes of their own: what those answer, and what becomes of
those that do not.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.adapters.video.av_video import AvVideo
from shared.adapters.video.devices import trial_apart
from shared.domain.policy import RecordingPolicy
from tests.support.pictures import numbered_jpeg
from tests.support.waiting import WAIT_SECONDS


def test_an_encoder_that_does_not_open_is_passed_over() -> None:
    """No GPU here: whatever is asked for, the clip is made, in software, and the log says why."""
    policy = RecordingPolicy(encoder="nvenc")
    with capture_logs() as logs:
        assert AvVideo().form(numbered_jpeg(1), policy).encoder == "libx264"
    (refused,) = [entry for entry in logs if entry["event"] == "encoder_refused"]
    assert (refused["encoder"], refused["log_level"]) == ("h264_nvenc", "warning")
    assert refused["reason"]


def test_a_trial_that_hangs_ends_with_its_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that never comes back costs the part its limit, once, and nothing else."""
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 30\n")
    hanging.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(hanging))
    assert "did not end within 0.2 s" in str(
        trial_apart("h264_nvenc", RecordingPolicy(), limit_s=0.2)
    )


def test_a_trial_that_dies_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert "status 1" in str(trial_apart("h264_nvenc", RecordingPolicy(), limit_s=WAIT_SECONDS))


def test_a_trial_answers_from_its_own_process() -> None:
    assert trial_apart("libx264", RecordingPolicy(), limit_s=WAIT_SECONDS) is None
    refused = trial_apart("no_such_encoder", RecordingPolicy(), limit_s=WAIT_SECONDS)
    assert refused
    assert "did not end" not in refused
