"""A test's clock: who waits for a time, wakes when it is passed, and is forgotten when gone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from housecarl.clock import rest
from housecarl.testing.clock import START, FakeClock


async def test_the_soonest_that_somebody_waits_for_is_known() -> None:
    clock = FakeClock()
    waits = [
        asyncio.create_task(clock.wait_until(START + timedelta(hours=hours))) for hours in (3, 1, 2)
    ]
    await asyncio.sleep(0)
    assert clock.next == START + timedelta(hours=1)
    clock.move(timedelta(hours=2))
    await asyncio.wait(waits[1:])
    assert clock.next == START + timedelta(hours=3)
    clock.move(timedelta(hours=1))
    await waits[0]
    assert clock.next is None


async def test_who_was_woken_by_something_else_waits_no_more() -> None:
    clock, woken = FakeClock(), asyncio.Event()
    resting = asyncio.create_task(rest(clock, START + timedelta(days=1), woken))
    await asyncio.sleep(0)
    woken.set()
    await resting
    await asyncio.sleep(0)
    assert clock.next is None
