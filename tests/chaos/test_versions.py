"""The release before and this version side by side, while cameras record.

The wheel of the tag is made from the repository's own history and installed with the dependencies
that it was locked to.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from platereel.embedded.processes import free_ports
from shared.adapters.postgres.schema import SCHEMA_VERSION
from tests.chaos.checker import check, quiet
from tests.chaos.site import ROLES, Site
from tests.chaos.traffic import Traffic
from tests.support.chaos import FULL
from tests.support.deployment import clean_environment

TAG, ITS_SCHEMA = "v0.1.0", "0001"
ROOT = Path(__file__).parents[2]
INSTALL_SECONDS, BOTH_SECONDS = 300, 25.0
OF_BOTH = ("capture", "dispatch", "parts", "finalise", "upkeep", "beat", "api")
OLD = {f"{role}-1": ROLES[f"{role}-1"] for role in OF_BOTH} | {
    "upkeep-1": ["worker", "--queues", "retention,consistency", "--concurrency", "1"]
}
NEW = {f"{role}-2": ROLES[f"{role}-1"] for role in OF_BOTH}
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not FULL, reason="minutes; make chaos runs it"),
]


def tried(*arguments: str | Path, cwd: Path, seconds: float = INSTALL_SECONDS) -> bytes:
    """What a program printed; skips the test where it fails: the tag or the index is missing."""
    try:
        return subprocess.run(
            [str(each) for each in arguments],
            cwd=cwd, check=True, capture_output=True, timeout=seconds, env=clean_environment(),
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"{TAG} cannot be made here: {Path(arguments[0]).name}: {type(error).__name__}")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has the tag's wheel, and its dependencies."""
    folder = tmp_path_factory.mktemp("tag")
    source, out = folder / "source", folder / "out"
    out.mkdir()
    packed = tried("git", "archive", TAG, cwd=ROOT)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(source, filter="data")
    call = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    tried(sys.executable, "-c", call, out, cwd=source)
    (wheel,) = out.glob("*.whl")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    locked = ("-q", "--require-hashes", "-r", source / "requirements" / "runtime.txt")
    tried(*pip, "install", *locked, cwd=folder)
    tried(*pip, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    return str(python)


class Upgraded(Site):
    """A site that the release before has made."""

    def prepare(self) -> None:
        env = {
            f"PLATEREEL_{name.upper()}_URL": self.urls[name]
            for name in ("database", "frames", "broker", "storage")
        }
        subprocess.run(
            [self.interpreters["api-1"], "-m", "platereel", "migrate"],
            check=True, capture_output=True, timeout=120, cwd=self.folder, env=clean_environment() | env,
        )  # fmt: skip

    def schema(self) -> str:
        return str(self.query("SELECT version_num FROM alembic_version")[0]["version_num"])

    def stop(self, name: str) -> None:
        """As a container engine stops one: told to, and ended after a while."""
        member = self.members[name]
        member.wanted = False
        member.process.send_signal(signal.SIGTERM)
        self.wait(f"{name} to end", lambda: member.process.poll() is not None, 30)

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()


@pytest.fixture(scope="module")
def site(released: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    site = Upgraded(
        tmp_path_factory.mktemp("versions") / "site",
        {"one": {}, "two": {}},
        roles=dict(OLD),
        interpreters=dict.fromkeys(OLD, released),
    )
    try:
        site.start()
        site.wait_frames(5)
        yield site
    finally:
        site.close()


def clips(site: Site, since: float, what: str) -> int:
    (row,) = site.query(
        f"SELECT count(*) FILTER (WHERE {what}) AS n FROM video_segments"
        " WHERE status = 'ready' AND created_at >= to_timestamp(%s)",
        since,
    )
    return int(row["n"])


def reads(site: Site, since: float, what: str) -> int:
    (row,) = site.query(
        f"SELECT count(*) FILTER (WHERE {what}) AS n FROM detections WHERE created_at >= to_timestamp(%s)",
        since,
    )
    return int(row["n"])


def running(site: Site, url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=3) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def test_an_upgrade_of_every_process_while_it_records(site: Upgraded, seed: int) -> None:
    """The schema first, then both versions of every process at once, then the older ones end."""
    began = time.time()
    with Traffic(site, site.history, seed, pause_s=(0.3, 0.8)):
        site.sleep(6)
        plan = json.loads(site.command("migrate", "--plan", "--json").stdout)
        assert (plan["before"], plan["after"], site.schema()) == (ITS_SCHEMA, SCHEMA_VERSION, ITS_SCHEMA)  # fmt: skip
        assert all(step["kind"] == "expand" for step in plan["steps"])
        done = site.command("migrate")
        assert done.returncode == 0, done.stderr
        both = time.time()
        (port,) = free_ports(1)
        for name, arguments in NEW.items():
            site.start_role(name, arguments, port)
        assert isinstance(site.roles, dict)
        site.roles.update(NEW)
        url = f"http://127.0.0.1:{port}"
        site.wait("the new API", lambda: running(site, url), 120)
        site.sleep(BOTH_SECONDS)
        assert running(site, site.api_url)
        assert {name: site.members[name].restarts for name in OLD} == dict.fromkeys(OLD, 0)
        site.api_url = url
        only_new = time.time()
        for name in OLD:
            site.stop(name)
            site.sleep(1)
        site.sleep(8)
    quiet(site, 180)
    verdict = check(site, site.history.acknowledged(began), began)
    assert verdict.problems == [], "\n".join([*verdict.problems, *verdict.notes])
    assert (verdict.lost, verdict.duplicated, verdict.failed) == (0, 0, 0)
    assert verdict.clips > 3
    seen: dict[str, Any] = {
        # only the newer finaliser makes strips, only the newer dispatcher puts reads into passes
        "clips of the older": clips(site, began, "strip IS NULL"),
        "clips of the newer": clips(site, both, "strip IS NOT NULL"),
        "reads of the older": reads(site, both, "pass_id IS NULL"),
        "reads of the newer": reads(site, both, "pass_id IS NOT NULL"),
    }
    assert all(seen.values()), seen
    assert reads(site, only_new + 12, "pass_id IS NULL") == 0
    report = json.loads(site.command("check", "--json").stdout)
    assert report["clean"], report


def test_the_release_before_does_not_start_again_on_the_newer_schema(site: Upgraded) -> None:
    """What docs/upgrading.md says of going back to it: a process that ends stays out."""
    site.start_role("dispatch-1", OLD["dispatch-1"])
    said = f"the database schema is {SCHEMA_VERSION}, newer than this version's {ITS_SCHEMA}"
    site.wait("its reason", lambda: said in site.log("dispatch-1"), 60)
    site.stop("dispatch-1")
