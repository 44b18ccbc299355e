"""`python -m platereel`."""

from __future__ import annotations

from platereel.cli import main

main()
