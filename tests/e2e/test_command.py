"""The command, as a newcomer types it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.deployment import Deployment, clean_environment, platereel
from tests.support.numbers import numbers_of_clip
from tests.support.waiting import WAIT_SECONDS, wait_until


def test_up_without_a_configuration_says_what_to_do(tmp_path: Path) -> None:
    done = platereel(
        "up",
        "--data",
        str(tmp_path / "data"),
        environment={"PLATEREEL_CONFIG": str(tmp_path / "no.yaml")},
    )
    assert done.returncode == 1
    assert "platereel init" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text('cameras: {a: {source: "push:"}}\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = platereel(
            "up", "--config", str(path), "--data", str(tmp_path / "data"), "--port", port
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "data" / "run.json").exists()


def test_init_then_check(tmp_path: Path) -> None:
    path = tmp_path / "platereel.yaml"
    assert platereel("init", str(path)).returncode == 0
    assert platereel("config", "check", "--config", str(path)).returncode == 0
    again = platereel("init", str(path))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    path.write_text(path.read_text().replace("fps: 15", "fsp: 15"))
    wrong = platereel("config", "check", "--config", str(path), "--json")
    assert wrong.returncode == 1
    assert "defaults.fsp: unknown key; did you mean fps?" in json.loads(wrong.stdout)["problems"][0]


def test_a_process_without_addresses_names_them(tmp_path: Path) -> None:
    done = platereel("dispatch", environment={"PLATEREEL_LOG_LEVEL": "error"})
    assert done.returncode == 1
    assert "PLATEREEL_DATABASE_URL is not set" in done.stderr


def test_trigger_wait_show_get(deployment: Deployment, tmp_path: Path) -> None:
    """From the terminal to a file that plays."""
    data = [
        "--config",
        str(deployment.folder / "platereel.yaml"),
        "--data",
        str(deployment.folder / "data"),
    ]
    deployment.wait_buffered("paced", 4)
    done = platereel("trigger", "paced", "--plate", "AB123CD", "--wait", "--json", *data)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"]
    (segment,) = answer["segments"]
    listed = json.loads(platereel("segments", "list", "--camera", "paced", "--json", *data).stdout)
    assert [item["id"] for item in listed["items"]] == [segment["id"]]
    shown = json.loads(platereel("segments", "show", segment["id"], "--json", *data).stdout)
    assert shown["detections"][0]["plate"] == "AB123CD"
    target = tmp_path / "clip.mp4"
    assert platereel("segments", "get", segment["id"], "-o", str(target), *data).returncode == 0
    assert len(numbers_of_clip(target)[0]) == segment["frame_count"]
    unknown = platereel("trigger", "nowhere", *data)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "no camera nowhere" in unknown.stderr
    wrong = platereel("segments", "get", "not-an-id", *data)
    assert (wrong.returncode, "UUID" in wrong.stderr) == (1, True)


def test_up_prints_a_link_for_the_first_key_and_writes_it_nowhere(deployment: Deployment) -> None:
    """Its token is in no file of the data folder, and in no process's arguments."""
    link = re.compile(r"http://127\.0\.0\.1:\d+/#/welcome/([\w-]{43})$", re.MULTILINE)
    log = deployment.folder / "up.log"
    wait_until("the link", lambda: link.search(log.read_text()))  # it comes after run.json
    found = link.findall(log.read_text())
    assert len(found) == 1
    token = found[0].encode()
    files = [deployment.folder / "data" / "run.json", *(deployment.folder / "data/logs").iterdir()]
    assert [str(path) for path in files if token in path.read_bytes()] == []
    for pids in deployment.refresh()["pids"].values():
        for pid in pids:
            assert token not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_retention_and_consistency_from_the_terminal(deployment: Deployment) -> None:
    data = [
        "--config",
        str(deployment.folder / "platereel.yaml"),
        "--data",
        str(deployment.folder / "data"),
    ]
    preview = json.loads(platereel("cleanup", "--days", "30", "--dry-run", "--json", *data).stdout)
    assert (preview["dry_run"], preview["archived"], preview["bytes"], preview["reasons"]) == (
        True,
        0,
        0,
        {},
    )
    checked = platereel("check", "--json", *data)
    report = json.loads(checked.stdout)
    assert (checked.returncode, report["clean"], report["findings"]) == (0, True, {})
    deep = platereel("check", "--deep", *data)
    assert deep.returncode == 0
    assert "clips, read back\nnothing to mend" in deep.stdout
    refused = platereel("cleanup", "--days", "-3", *data)
    assert refused.returncode == 1
    status, body, _ = deployment.ask(
        "POST", "/v2/video/cleanup", {"retention_days": 30, "dry_run": True}
    )
    assert status == 200, body
    assert json.loads(body)["result"]["archived"] == 0


def test_the_example_detection_service_records(deployment: Deployment) -> None:
    """docs/examples/detection_service.py, as its docstring says to run it: its own frames, its own
    detector.
    """
    example = Path(__file__).parents[2] / "docs" / "examples" / "detection_service.py"
    data = [
        "--config",
        str(deployment.folder / "platereel.yaml"),
        "--data",
        str(deployment.folder / "data"),
    ]
    done = subprocess.run(
        [sys.executable, str(example), *data, "--seconds", "12"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = deployment.query(
        "SELECT detection_id, plate FROM detections WHERE camera_id = 'mine' ORDER BY captured_at"
    )
    assert "JM788VT" in {row["plate"] for row in seen}
    segments = deployment.clips_of(seen[-1]["detection_id"])
    assert [s["status"] for s in segments] == ["ready"]
    assert segments[0]["frames_lost"] == 0


def test_demo_ends_by_itself_with_clips_that_decode(tmp_path: Path) -> None:
    """What `make demo ARGS="--exit --json F"` runs, one camera, storage in a folder.

    One vehicle comes within the nine seconds; on a slow host another before the deployment is up.
    """
    report = tmp_path / "demo.json"
    done = platereel(
        "demo",
        "--exit",
        "--cameras",
        "1",
        "--duration",
        "9",
        "--storage",
        "file",
        "--json",
        str(report),
        "--data",
        str(tmp_path / "data"),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(report.read_text())
    assert result["ok"]
    assert result["clips"]
    for clip in result["clips"]:
        assert clip["plate"] is not None
        assert clip["decodes"]
        assert Path(clip["local_path"]).stat().st_size == clip["file_size_bytes"]
    assert not (tmp_path / "data" / "run.json").exists()


def test_doctor_and_plan_of_a_running_deployment(deployment: Deployment) -> None:
    """Nothing but JSON on standard output, and nothing broken."""
    data = [
        "--config",
        str(deployment.folder / "platereel.yaml"),
        "--data",
        str(deployment.folder / "data"),
    ]
    deployment.wait_buffered("plain", 3)
    for _ in range(3):  # capture that a busy machine let stand is broken until it reports again
        done = platereel("doctor", "--json", *data)
        findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
        if done.returncode == 0:
            break
    assert done.returncode == 0, findings
    assert findings["camera plain"]["health"] == "ok"
    assert findings["camera mine"]["health"] == "warning"
    measured = platereel("plan", "--measure", "--json", *data)
    assert measured.returncode == 0, measured.stderr
    cameras = json.loads(measured.stdout)["cameras"]
    assert (cameras["plain"]["width"], cameras["plain"]["height"]) == (320, 180)
    assert 1000 < cameras["plain"]["jpeg_bytes"] < 50_000
