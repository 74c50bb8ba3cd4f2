"""The house of a test: it waits as long as its author says, and believes the machine's clock."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from housecarl import clock
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone


@pytest.fixture
def house_config() -> dict[str, Any]:
    return {"clock": FakeClock()}


@pytest.mark.long
def test_an_author_passes_the_time_of_a_test(house: TestHouse, phone: Phone) -> None:
    """As docs/modules.md says."""
    phone.text("!in 30m uptime")
    assert phone.reply.startswith("Job 1")
    assert isinstance(house.clock, FakeClock)
    house.clock.move(1800)
    assert "Elm Street up" in phone.reply


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


def test_a_machine_that_has_just_booted_makes_no_test_and_no_demo_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no time service has set the clock yet, a real house has a change wait for it."""
    monkeypatch.setattr(clock, "SETTLE_SECONDS", math.inf)
    monkeypatch.setattr(clock, "is_disciplined", lambda: False)
    assert not clock.SystemClock().synchronised()
    with TestHouse(tmp_path) as house:
        assert house.clock.synchronised()
