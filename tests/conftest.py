"""What every test may use: a house is built from real parts, sockets beyond loopback are off."""

from __future__ import annotations

import os

import pytest
from tests.programs import installed


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is made: whether this test runs here at all."""
    _need_servers(item)
    _take_long(item)


def _need_servers(item: pytest.Item) -> None:
    """`@pytest.mark.server("swaks")`: without the program skip at home, fail in CI."""
    for mark in item.iter_markers("server"):
        missing = [name for name in mark.args if installed(name) is None]
        if not missing:
            continue
        text = f"{', '.join(missing)} not installed"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)


def _take_long(item: pytest.Item) -> None:
    """`@pytest.mark.long` runs in CI only, so that `make test` stays quick."""
    if item.get_closest_marker("long") and not os.environ.get("CI"):
        pytest.skip("long: runs in CI, or with CI=1")
