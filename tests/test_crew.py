"""The crew of carriers itself: that there are always some, and what their order costs."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from housecarl import crew
from housecarl.crew import Crew


async def carried(count: int, slow: int, at_once: int) -> list[str]:
    """The order of so many, each of another person, the first of which come one after the other.

    `at_once` of them are over at the same moment, as those of one commit are.
    """
    order: list[str] = []
    gates, commit = [asyncio.Event() for _ in range(slow)], asyncio.Event()

    async def carry(name: str) -> bool:
        if int(name) < slow:
            await gates[int(name)].wait()
        async with those.turn(name):
            order.append(name)
        await commit.wait()
        return True

    those = Crew(carry)
    those.start()
    for n in range(count):
        those.offer(str(n))
    await until(lambda: those.waiting <= count - at_once)
    for n, gate in enumerate(gates):
        gate.set()
        await until(partial(lambda n: len(order) > n, n))
    await until(lambda: len(order) >= at_once)
    commit.set()
    async with asyncio.timeout(5):
        await those.idle()
    await those.stop(1.0)
    return order


async def until(true: Callable[[], bool]) -> None:
    """Let the others go on until it is."""
    while not true():  # noqa: ASYNC110 - what is looked at is no event
        await asyncio.sleep(0)


def test_when_all_are_over_at_once_some_stay_for_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each saw that there were too many, and all of them went: nothing was carried any more."""
    monkeypatch.setattr(crew, "CARRIERS", 2)
    monkeypatch.setattr(crew, "STAND_INS", 2)
    assert sorted(asyncio.run(carried(8, 1, 4))) == [*"01234567"]


def test_who_waits_for_an_earlier_one_is_woken_once_however_many_wait() -> None:
    """Each was woken for each: a burst took as long as its square."""
    steps = 0

    async def story() -> list[str]:
        loop: Any = asyncio.get_running_loop()
        call_soon = loop.call_soon

        def counted(*call: Any, **more: Any) -> asyncio.Handle:
            nonlocal steps
            steps += 1
            handle: asyncio.Handle = call_soon(*call, **more)
            return handle

        loop.call_soon = counted
        return await carried(150, 30, 150)

    assert asyncio.run(story()) == [str(n) for n in range(150)]
    assert steps < 150 * 10


@pytest.mark.parametrize("looks", [True, False])
def test_what_needs_no_turn_keeps_nobody_from_theirs(
    looks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that only looks, however long, and one that was over before it came to a turn."""
    done: list[str] = []

    async def story() -> None:
        over = asyncio.Event()

        async def carry(name: str) -> bool:
            if name == "first" and looks:
                async with those.turn(None):
                    await over.wait()
            elif name == "first":
                await asyncio.sleep(0)  # so that another carrier has the change
            if name == "change":
                async with those.turn("ann"):
                    done.append(name)
            return True

        those = Crew(carry)
        those.start()
        for name in ("first", "change"):
            those.offer(name)
        async with asyncio.timeout(5):
            await until(lambda: bool(done))
            over.set()
            await those.idle()
        await those.stop(1.0)

    monkeypatch.setattr(crew, "ORDER_SECONDS", 60.0)
    asyncio.run(story())
    assert done == ["change"]


def test_a_carrier_that_its_loop_has_left_behind_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one whose module would not let it go when the house was stopped."""

    async def cling(_: str) -> bool:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()

    async def story() -> None:
        those = Crew(cling)
        those.start()
        those.offer("1")
        await until(lambda: not those.waiting)
        await those.stop(0.01)

    monkeypatch.setattr(crew, "LATE_SECONDS", 0.01)
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(story())
    loop.close()
    gc.collect()
    assert not [getattr(each, "exc_value", each) for each in said]
