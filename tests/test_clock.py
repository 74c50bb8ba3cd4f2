"""The time: what waits for an hour hears of it when the clock is set back."""

from __future__ import annotations

import asyncio
import ctypes
import math
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl import clock as clocks
from housecarl.clock import SystemClock
from housecarl.testing.clock import START, FakeClock

HOUR = timedelta(hours=1)
#: The status bits of adjtimex(2) with which no time service has the clock in hand.
ALONE = 0x0040


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


def tell(status: int, answer: int = 0) -> Callable[[Any], int]:
    """A kernel that tells these status bits."""

    def adjtimex(buffer: Any) -> int:
        ctypes.cast(buffer, ctypes.POINTER(ctypes.c_int))[10] = status
        return answer

    return adjtimex


@pytest.mark.parametrize(
    ("kernel", "believed"),
    [
        (SimpleNamespace(adjtimex=tell(0)), True),
        (SimpleNamespace(adjtimex=tell(ALONE)), False),
        (SimpleNamespace(adjtimex=tell(ALONE, -1)), True),
        (SimpleNamespace(), True),
    ],
    ids=["disciplined", "alone", "forbidden", "unknown"],
)
def test_shortly_after_a_boot_the_clock_is_believed_as_far_as_the_kernel_knows(
    monkeypatch: pytest.MonkeyPatch, kernel: SimpleNamespace, believed: bool
) -> None:
    """Where it cannot be asked nothing waits for it; later it is not asked at all."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: kernel)
    monkeypatch.setattr(clocks, "SETTLE_SECONDS", math.inf)
    assert SystemClock().synchronised() is believed
    monkeypatch.setattr(clocks, "SETTLE_SECONDS", 0.0)
    assert SystemClock().synchronised()
