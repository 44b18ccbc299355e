"""Whether a host can have a hardware encoder, and a trial of one that can do no harm.

A driver's library may hang, or end the process that loads it. So a trial runs in a process of its
own, with a time limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shared.domain.policy import RecordingPolicy

# A family's device nodes; a family of other systems has none here.
_DEVICES = {
    "nvenc": ("nvidia[0-9]*", "dxg"),
    "qsv": ("dri/renderD*",),
    "amf": ("dri/renderD*",),
    "v4l2m2m": ("video*",),
}
TRIAL_SECONDS = 10.0
_TRIAL = "shared.adapters.video.trial"


def has_device(family: str) -> bool:
    """Returns whether a device node is there that this family of encoders could use; True where
    that cannot be known.
    """
    if not sys.platform.startswith("linux"):
        return True
    return any(any(Path("/dev").glob(pattern)) for pattern in _DEVICES[family])


def trial_apart(name: str, policy: RecordingPolicy, limit_s: float = TRIAL_SECONDS) -> str | None:
    """Encode a few pictures in a process of its own. Returns why that fails, None where it
    works.
    """
    argv = [sys.executable, "-m", _TRIAL, name, json.dumps(policy.to_json())]
    try:
        done = subprocess.run(  # noqa: S603
            argv, capture_output=True, timeout=limit_s, check=False, text=True, cwd="/"
        )
    except subprocess.TimeoutExpired:
        return f"its trial did not end within {limit_s:g} s"
    if done.returncode != 0:
        return f"its trial ended with status {done.returncode}"
    return done.stdout.strip() or None
