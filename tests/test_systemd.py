"""The unit that is shipped: hardened, valid, and true to the program."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from housecarl import means, worker
from housecarl.doors import smtp

SYSTEMD = Path(__file__).parents[1] / "systemd"
UNIT = SYSTEMD / "housecarl.service"

#: The exposure that `systemd-analyze security` may find at most (0 is none, 10 all).
EXPOSURE = 1.3


@pytest.mark.server("systemd-analyze")
def test_the_unit_is_hardened() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", UNIT],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    match = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert match is not None, done.stderr
    assert float(match[1]) <= EXPOSURE


@pytest.mark.server("systemd-analyze")
def test_the_units_are_valid(tmp_path: Path) -> None:
    program = tmp_path / "housecarl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("housecarl.service", "housecarl.socket", "housecarl-smtps.socket"):
        text = (SYSTEMD / name).read_text()
        text = re.sub(r"(?m)^Documentation=.*\n", "", text)
        (tmp_path / name).write_text(text.replace("/opt/housecarl/bin/housecarl", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("housecarl*.s*"))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "housecarl" in line]
    assert complaints == []


def test_the_unit_runs_a_verb_and_says_when_not_to_restart() -> None:
    unit = configparser.RawConfigParser(strict=False, delimiters="=")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    assert unit["Service"]["ExecStart"].split()[-1] == "run"
    assert unit["Service"]["Type"] == "notify"
    assert unit["Service"]["RestartPreventExitStatus"] == "2 78"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert "PrivateUsers" not in unit["Service"]


def test_systemd_waits_for_all_that_a_stop_waits_for() -> None:
    """Doors, commands and a flash, each for its own longest time, with some room."""
    longest = smtp.STOP_SECONDS + worker.STOP_SECONDS + means.STOP_SECONDS
    found = re.search(r"(?m)^TimeoutStopSec=(\d+)$", UNIT.read_text())
    assert found is not None
    assert int(found[1]) >= longest + 20


def test_every_unit_stands_in_the_install_page() -> None:
    page = (SYSTEMD.parent / "docs" / "install.md").read_text()
    for path in SYSTEMD.iterdir():
        assert path.name in page, path.name
