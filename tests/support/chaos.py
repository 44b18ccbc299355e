"""Whether tests that take minutes run, too."""

from __future__ import annotations

import os

FULL = os.environ.get("CHAOS") == "full"  # make chaos; else the short selection of make test
