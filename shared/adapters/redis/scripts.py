"""Lua scripts in as few exchanges as they can take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from typing import Any

import redis
from redis.exceptions import NoScriptError

Call = tuple[Sequence[str], Sequence[str | int | float]]  # keys and arguments


def run_script(server: redis.Redis, script: str, calls: Sequence[Call]) -> list[Any]:
    """Run a script once for each call, all in one exchange. Returns their answers.

    redis-py asks beforehand whether the server knows a script. Here it is sent when the server says
    that it does not, and all calls are made again: a script must give the same result twice.
    """
    answers = _run(server, script, calls)
    if any(isinstance(answer, NoScriptError) for answer in answers):
        server.script_load(script)
        answers = _run(server, script, calls)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _run(server: redis.Redis, script: str, calls: Sequence[Call]) -> list[Any]:
    line = server.pipeline(transaction=False)
    for keys, arguments in calls:
        line.evalsha(_digest(script), len(keys), *keys, *arguments)
    return list(line.execute(raise_on_error=False))


@cache
def _digest(script: str) -> str:
    """Returns the name of a script, as the server computes it."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()
