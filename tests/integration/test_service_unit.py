"""The unit as systemd itself reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from platereel.embedded.unit import UnitPlan, unit_text


@pytest.mark.apt
@pytest.mark.parametrize("system", [True, False], ids=["system", "user"])
def test_systemd_accepts_the_unit(tmp_path: Path, system: bool) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (apt-get install systemd)")
    unit = tmp_path / "platereel.service"
    config = tmp_path / "100% of it.yaml"
    unit.write_text(
        unit_text(
            UnitPlan(
                config=config,
                data=tmp_path / "data",
                environment=tmp_path / "site.env",
                system=system,
                user="root",
                options=["--port", "443"],
                writable=[tmp_path / "a b"],
                low_port=True,
            )
        )
    )
    done = subprocess.run(
        [analyze, *([] if system else ["--user"]), "verify", "--man=no", str(unit)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "info"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("KillMode=mixed", "KillMode=gentle"))
    told = subprocess.run(
        [analyze, *([] if system else ["--user"]), "verify", "--man=no", str(unit)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "gentle" in told.stderr  # it does look at it
