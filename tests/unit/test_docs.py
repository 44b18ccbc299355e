"""What the documentation shows is what the product takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.runtime.configuration import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (page.name, number, block)
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize(("page", "number", "block"), EXAMPLES, ids=[f"{p}-{n}" for p, n, _ in EXAMPLES])
def test_configurations_load(tmp_path: Path, page: str, number: int, block: str) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(block.replace('source: "…"', 'source: "push:"'), encoding="utf-8")
    secrets = dict.fromkeys(re.findall(r"\{(PLATEREEL_[A-Z_]+)\}", block), "a-secret-of-some-length")
    assert load(path, secrets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target
