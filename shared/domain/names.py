"""The characters that names may have in files, addresses and command lines, where `.` and `..` mean
folders.
"""

from __future__ import annotations

import re


def _named(letters: str, longest: int) -> re.Pattern[str]:
    """Returns a pattern of these characters that refuses `.` and `..`, without look-ahead, which
    not every reader of a JSON schema has.
    """
    first, rest = f"[{letters}]", f"[.{letters}]"
    return re.compile(rf"(?:{rest}{{3,{longest}}}|{first}{rest}?|\.{first})")


CAMERA_ID = _named("A-Za-z0-9_-", 64)
DETECTION_ID = _named("A-Za-z0-9_:-", 128)
KEY_NAME = _named("A-Za-z0-9_@-", 64)
PLAIN_NAME = _named("A-Za-z0-9_-", 40)  # of a webhook, and of a class of clips
