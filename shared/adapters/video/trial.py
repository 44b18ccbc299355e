"""Tries one encoder and prints why it cannot be used, or nothing. A process of its own: see
devices.py.
"""

from __future__ import annotations

import json
import sys

from shared.adapters.video.encoders import Encoders
from shared.domain.policy import RecordingPolicy

if __name__ == "__main__":
    name, policy = sys.argv[1:]
    sys.stdout.write(Encoders().trial(name, RecordingPolicy.from_json(json.loads(policy))) or "")
