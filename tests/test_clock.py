"""The time: what waits for an hour hears of it when the clock is set back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from housecarl import clock as clocks
from housecarl.clock import SystemClock
from housecarl.testing.clock import START, FakeClock

HOUR = timedelta(hours=1)


async def test_who_waits_for_a_time_hears_that_the_clock_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = FakeClock()
    clock = SystemClock()
    monkeypatch.setattr(clocks, "STEP_SECONDS", 0.001)
    monkeypatch.setattr(SystemClock, "now", lambda self: shown.now())
    waits = [asyncio.create_task(each.wait_until(START + HOUR)) for each in (clock, shown)]
    await asyncio.sleep(0)
    shown.move(60)
    await asyncio.sleep(0.01)
    assert not any(wait.done() for wait in waits)
    shown.move(-3 * HOUR)
    async with asyncio.timeout(5):
        await asyncio.gather(*waits)
    async with asyncio.timeout(5):
        await clock.wait_until(shown.now())
