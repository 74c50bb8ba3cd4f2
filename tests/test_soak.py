"""The long run of `benchmarks.soak` in small: two simulated months with a few messages each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.long
def test_two_months_leave_nothing_behind() -> None:
    """Real daemon, moved clock: every message is answered or refused, nothing grows."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--messages", "240", "--months", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("as it should be")
