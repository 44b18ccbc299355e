"""A container's health check: the age of the sign of life in the pulse file of its process.

A container engine starts this program every few seconds, for every process. So it imports nothing
but what Python has loaded anyway; settings, the command and even pathlib would cost more than the
check. `platereel health` checks in the same way, and knows the settings.
"""

from __future__ import annotations

import os
import sys
import time

VARIABLE = "PLATEREEL_PULSE_FILE"
WITHIN_SECONDS = 30.0
_USAGE = (
    "usage: platereel-health [--within SECONDS] [PULSE_FILE]; the file is else named by " + VARIABLE
)


def noted_ms(path: str | os.PathLike[str]) -> int:
    """Returns when the last sign of life was written (epoch ms).

    Raises OSError or ValueError where there is none.
    """
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs half of this program's time
        return int(file.read())


def complaint(age_s: float, within_s: float) -> str | None:
    """Returns what is wrong with a sign of life of that age; None while it is young enough.

    A sign from the future was written before the clock was set back, so it says nothing about now.
    """
    if -within_s <= age_s <= within_s:  # and nothing is within NaN
        return None
    if age_s < 0:
        return (
            f"the last sign of life is {-age_s:.0f} s in the future: the clock was set back since"
        )
    return f"the last sign of life is {age_s:.0f} s old"


def judge(arguments: list[str], environ: dict[str, str], now_s: float) -> str | None:
    """Returns None for healthy, else a sentence."""
    within_s, path = WITHIN_SECONDS, environ.get(VARIABLE)
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--within" and rest:
            try:
                within_s = float(rest.pop(0))
            except ValueError:
                return _USAGE
        elif word.startswith("-"):
            return _USAGE
        else:
            path = word
    if not path:
        return f"{VARIABLE} is not set; {_USAGE}"
    try:
        return complaint(now_s - noted_ms(path) / 1000, within_s)
    except (OSError, ValueError):
        return f"{path}: no sign of life yet"


def main() -> None:
    """Returns exit status 0 for healthy, else 1, with a sentence on standard error."""
    sentence = judge(sys.argv[1:], dict(os.environ), time.time())  # noqa: TID251 - a program of its own, see above
    sys.exit(None if sentence is None else f"platereel-health: {sentence}")


if __name__ == "__main__":
    main()
