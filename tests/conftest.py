"""What every test may use: a house is built from real parts, sockets beyond loopback are off."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(autouse=True)
def _needs_a_server(request: pytest.FixtureRequest) -> None:
    """`@pytest.mark.server("swaks")`: without the program skip at home, fail in CI."""
    for mark in request.node.iter_markers("server"):
        missing = [name for name in mark.args if shutil.which(name) is None]
        if not missing:
            continue
        text = f"{', '.join(missing)} not installed"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)


@pytest.fixture(autouse=True)
def _takes_long(request: pytest.FixtureRequest) -> None:
    """`@pytest.mark.long` runs in CI only, so that `make test` stays quick."""
    if request.node.get_closest_marker("long") and not os.environ.get("CI"):
        pytest.skip("long: runs in CI, or with CI=1")
