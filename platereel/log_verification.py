"""Checks an exported access log: whether its lines are those that its last line signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from platereel.verification import Progress, is_key, opened
from shared.adapters.signing import signed_by
from shared.domain.errors import BadInput
from shared.wire.evidence import fingerprint
from shared.wire.signed_lines import CSV_MARK, Seal, parse_seal

ZIP = b"PK"
LONGEST_LINE = 1 << 20


@dataclass(slots=True)
class LogVerdict:
    """The result of a check. ok: as an archive's (`Verdict`)."""

    seal: Seal
    fingerprint: str
    key_given: bool
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool | None:
        """See the class."""
        if self.problems:
            return False
        return True if self.key_given else None


def is_archive(path: Path) -> bool:
    """Returns whether a file begins as an archive does, and no log."""
    with opened(path) as file:
        return file.read(len(ZIP)) == ZIP


def verify_log(path: Path, key: str | None, progress: Progress = lambda *_: None) -> LogVerdict:
    """Check the log at `path`. `key` (base64, or a fingerprint) must be the one that signed it.

    Raises BadInput where its last line signs nothing.
    """
    digest, last, lines, done = sha256(), b"", -1, 0
    with opened(path) as file:
        total = path.stat().st_size
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise BadInput(str(path), "is no exported log: a line is longer than any of its")
            digest.update(last)
            last, lines, done = line, lines + 1, done + len(line)
            progress(done, total)
    seal, signature = parse_seal(last)
    verdict = LogVerdict(seal, fingerprint(seal.public_key), key is not None)
    csv_form = last.startswith(CSV_MARK.encode())
    if not signed_by(seal.encode(), signature, seal.public_key):
        verdict.problems.append("last line: not a signature by its key")
    if last.decode("utf-8", "replace") != seal.line(signature, csv=csv_form):
        verdict.problems.append("last line: is not written as an exported log's")
    if digest.hexdigest() != seal.sha256:
        verdict.problems.append("the lines are not those that were signed")
    # the rows of CSV may hold line breaks, so only lines of JSON are counted
    if not csv_form and lines != seal.lines:
        verdict.problems.append(f"has {lines} lines, {seal.lines} were signed")
    if key is not None and not is_key(key, seal.public_key):
        verdict.problems.append(
            f"signed with the key {verdict.fingerprint}, not with the one given"
        )
    return verdict
