"""The API's description is exact: Schemathesis, with every check and stateful links, finds
nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.api.auth.attempts import Attempts
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.invitations import PostgresInvitationRows
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.adapters.postgres.shares import PostgresShareRows
from shared.domain.access import Role
from shared.domain.invitations import Invitation
from shared.domain.plate_lists import EntrySettings, ListKind, ListSettings
from shared.domain.timing import from_ms
from tests.support.http import request, serving
from tests.support.openapi import Facts, answers, narrowed
from tests.support.recordings import accept, finish
from tests.support.rows import ready
from tests.support.world import World

KEY = "boss-secret-of-16-characters"
CONFIG = Path(__file__).with_name("schemathesis.toml")
MANY_INVITATIONS = 60
ENDLESS = r"/(events|live\.mjpeg)$"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "8")


class _Patient(Attempts):
    """Lets every address try wrong keys as often as the checks like."""

    def failed(self, address: str) -> None:
        pass


@dataclass(frozen=True)
class Site:
    """A served API with a clip for every need, and a description that leads there."""

    address: str
    description: dict[str, Any]


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The API with clips of every status, behind a real socket."""
    monkeypatch.setattr("services.api.routes.jobs.WAIT_SECONDS", 0.0)
    clips = [
        _clip(world, camera, number * 100) for number, camera in enumerate(("cam1", "cam2", "cam1"))
    ]
    deletable, many = (
        [str(ready(world, camera, number * 100)) for number in range(60)]
        for camera in ("cam3", "cam4")
    )
    world.film("cam", 0, 30)
    (streamed,) = accept(world, "cam", 10, "d1")
    world.database.execute(
        "UPDATE detections SET bbox = '[10, 10, 60, 20]' WHERE camera_id = 'cam'"
    )
    finish(world, "cam")
    world.database.execute("UPDATE passes SET hit = true")
    ready(world, "cam1", 900, status="failed")
    world.segments.protect(ready(world, "gone", 0), protected=True, who="test", note=None)
    world.film("cam1", 0, 1)
    access = PostgresAccessRows(world.database)
    names = [f"guard-{number}" for number in range(3)]
    for name in names:
        access.create_key(name=name, role=Role.VIEWER, cameras=None, expires_at=None, who="test")
    invited = PostgresInvitationRows(world.database)
    invitations = [
        invited.invite(Invitation(role=Role.VIEWER), 600, "test") for _ in range(MANY_INVITATIONS)
    ]
    shares = PostgresShareRows(world.database)
    until = from_ms(world.clock.now_ms() + 86_400_000)
    revocable, (_, shared) = (
        [str(shares.share(UUID(clips[0]), until, None, "test")[0].id) for _ in range(3)],
        shares.share(UUID(clips[0]), until, None, "test"),
    )
    lists = [f"list-{number}" for number in range(20)]
    rows = PostgresPlateListRows(world.database)
    for name in lists:
        rows.create(ListSettings(name=name, kind=ListKind.IGNORE), "test")
    entries = [
        str(rows.add(lists[0], EntrySettings(plate=f"ZZ{number}"), "test").entry_id)
        for number in range(60)
    ]
    app: Any = build(world.settings.model_copy(update={"api_keys": SecretStr(f"boss:admin:{KEY}")}))
    app.state.ports = replace(app.state.ports, attempts=_Patient(world.clock))
    with serving(app) as url:
        listed = request(
            "GET",
            f"{url}/v2/video/segments/{streamed}/stream.m3u8",
            headers={"Authorization": f"Bearer {KEY}"},
        )
        first = re.search(r"hls/(\d+)-(\d+)\.m4s", listed.data.decode())
        assert first is not None
        later = [from_ms(world.clock.now_ms() + days * 86_400_000).isoformat() for days in (1, 365)]
        facts = Facts(
            clips=clips,
            deletable=deletable,
            many=many,
            streamed=str(streamed),
            piece=(int(first[1]), int(first[2])),
            camera="cam1",
            cameras=list(world.settings.cameras),
            detection=f"{clips[0]}-0",
            passes=[str(each.pass_id) for each in world.passes.open_passes()],
            key=KEY,
            names=names,
            lists=lists,
            entries=entries,
            later=[*later, "9999-12-31T23:59:59Z"],
            invitations=invitations,
            shares=revocable,
            shared=shared,
            gone="gone",
        )
        yield Site(url, narrowed(app.openapi(), facts))


def _clip(world: World, camera: str, at_s: float) -> str:
    """A READY clip whose object is what its row says."""
    segment_id = ready(world, camera, at_s, ["AB123CD"], size=1000)
    row = world.segments.get(segment_id)
    world.store.put(row.file_path, bytes(1000), "video/mp4")
    world.store.put(str(row.thumbnail_path), b"jpeg", "image/jpeg")
    world.store.put(str(row.strip_path), b"jpeg", "image/jpeg")
    digest = sha256(bytes(1000)).hexdigest()
    world.database.execute(
        "UPDATE video_segments SET sha256 = %s WHERE id = %s", digest, segment_id
    )
    return str(segment_id)


def test_schemathesis_finds_nothing(site: Site, tmp_path: Path) -> None:
    """And it proves something: what is well asked for is mostly had, of every operation."""
    described, report = tmp_path / "openapi.json", tmp_path / "report.ndjson"
    described.write_text(json.dumps(site.description), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run", str(described),
        "--url", site.address, "-H", f"Authorization: Bearer {KEY}", "--exclude-path-regex", ENDLESS,
        "--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing,stateful", "--seed", "1", "--no-color",
        "--continue-on-failure", "--report-ndjson-path", str(report),
    ]  # fmt: skip
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.integration.schemathesis_hooks",
        "PYTHONPATH": str(CONFIG.parents[2]),
    }
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, (
        re.sub(r"\n{2,}", "\n", done.stdout)[-15_000:] + done.stderr[-2000:]
    )
    counted = answers(report, site.description["paths"])
    sys.stdout.write("".join(f"{label}: {classes}\n" for label, classes in sorted(counted.items())))
    asked = {
        f"{method.upper()} {path}"
        for path, operations in site.description["paths"].items()
        for method in operations
        if not re.search(ENDLESS, path)
    }
    assert set(counted) == asked
    for label, classes in counted.items():
        had, refused = (
            sum(classes.get(f"positive {each}xx", 0) for each in group) for group in ("23", "45")
        )
        well_asked = had + classes.get("positive 409", 0)
        assert had > 0, (label, classes)
        assert well_asked > refused, (label, classes)
        assert not any(kind.endswith("5xx") for kind in classes), (label, classes)


def test_what_is_not_ready_is_described_as_it_is_told(world: World) -> None:
    described = build(world.settings).openapi()["paths"]["/readyz"]["get"]["responses"]
    assert set(described["503"]["content"]) == {"application/json", "application/problem+json"}
    assert described["503"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Readiness"
    }


def test_the_description_is_openapi_3_1(world: World) -> None:
    app: Any = build(world.settings)
    description = app.openapi()
    assert description["openapi"].startswith("3.1")
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
