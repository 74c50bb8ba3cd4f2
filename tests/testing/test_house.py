"""The house of a test waits as long as its author says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from housecarl.testing.house import TestHouse


def test_what_takes_longer_than_is_usual_is_waited_for_where_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`until(..., 60)` gave up after 15 s, as everything else does."""
    house, soon = TestHouse(tmp_path), time.monotonic() + 0.05
    house._thread.start()
    monkeypatch.setattr("housecarl.testing.house.PATIENCE", 0.01)
    try:
        house.until(lambda: time.monotonic() > soon, 20)
    finally:
        house._loop.call_soon_threadsafe(house._loop.stop)
        house._thread.join()
        house._loop.close()
