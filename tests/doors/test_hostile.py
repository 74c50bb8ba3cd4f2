"""The real daemon under every attack, shortly: whoever is honest is answered, memory is bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(120)
def test_an_honest_client_is_served_whatever_others_do() -> None:
    """Each attack for half a second; texts all the while, and one when all is over."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hostile", "--seconds", "0.5", "--every", "0.3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("as it should be")
