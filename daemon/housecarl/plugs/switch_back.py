"""Switching back: the jobs that end an `on 30`, and which plugs each still is to switch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from housecarl.module import Call, CommandError, House
from housecarl.plugs.device import Device

#: Where the store keeps all of them.
KEY = "backs"

#: seconds for which a job may still wait when it is due: for room on the disk, for a clock that is
#: set, for the house to start; then it is too old to be done
WAITS = 3600.0

#: the number of no job: only the plug's own countdown is left
NO_JOB = 0

#: (job, plug) of those that still wait for their turn to be switched here: whoever is before them
#: in the line does not end what is to switch them back
_ahead: set[tuple[int, str]] = set()


class Back(NamedTuple):
    """A job that switches plugs to a state; `due` is in seconds since 1970."""

    job: int
    state: str
    due: float
    plugs: Sequence[str]

    def clock(self, timezone: str) -> str:
        """When that is, as the clocks of a time zone show it."""
        return f"{datetime.fromtimestamp(self.due, ZoneInfo(timezone)):%H:%M}"


@asynccontextmanager
async def arranged(
    call: Call, plugs: Sequence[str], state: str, minutes: int | None
) -> AsyncIterator[Back | None]:
    """Have plugs switched later that are switched within; nothing when no minutes are given.

    It is arranged before, so that none stays as it is for want of a job, and whoever switches one
    after a crash finds what is to switch it back: a job only looks until it is noted here. Raises
    CommandError when there can be no more.
    """
    if minutes is None:
        yield None
        return
    due = time.time() + minutes * 60
    try:
        job = await call.schedule(timedelta(minutes=minutes), _command(plugs))
    except CommandError as error:
        raise CommandError(f"{error} Nothing was switched.") from None
    ahead = {(job, plug) for plug in plugs}
    _ahead.update(ahead)
    try:
        back = await _add(call, Back(job, state, due, plugs))
        await call.cancel(job, instead=_command(plugs, state))
        yield back
    finally:
        _ahead.difference_update(ahead)


async def replace(call: Call, plug: str, back: Back | None) -> list[Back]:
    """A plug was switched: whatever was to switch it back leaves it alone, only `back` does.

    Returns what was to.
    """
    if back is not None:
        _ahead.discard((back.job, plug))

    def others(each: Back) -> bool:
        return (back is None or each.job != back.job) and (each.job, plug) not in _ahead

    return await _leave_out(call, [plug], others)


async def settle(
    call: Call, device: Device, back: Back | None, minutes: int, seconds: float
) -> Back | None:
    """A plug was switched: only `back` switches it back, and so does its own countdown.

    Returns what the countdown of before may still do, of a plug that does not answer within so many
    seconds. That is still known, so that whoever switches the plug next ends it.
    """
    former = await replace(call, device.name, back)
    if not (back or former):
        return None
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            counts = back is not None and await device.count_down(minutes * 60, back.state == "on")
            if counts or await device.stop_counting():
                return None
    if not former:
        return None
    return await _add(call, former[-1]._replace(job=NO_JOB, plugs=[device.name]))


async def _add(call: Call, back: Back) -> Back:
    """One more that waits."""
    async with call.lock(KEY):
        await call.store.set(KEY, [*await _waiting(call), back])
    return back


async def found(call: Call, job: int) -> Back | None:
    """What a job is to switch back; None when it is another kind of job."""
    return next((each for each in await _waiting(call) if each.job == job), None)


async def names(call: Call) -> Sequence[str]:
    """The words of a job that mean plugs by their names: another may be called so by itself."""
    if call.door != "job":
        return ()
    return [plug for each in await _waiting(call) for plug in each.plugs]


async def leave_out(call: Call, back: Back, plugs: Collection[str]) -> None:
    """Take plugs out of a job; without any it is cancelled."""
    await _leave_out(call, plugs, lambda each: each.job == back.job)


async def _leave_out(
    call: Call, plugs: Collection[str], which: Callable[[Back], bool]
) -> list[Back]:
    """Take plugs out of some jobs; those that had any of them."""
    async with call.lock(KEY):
        left, had = list[Back](), list[Back]()
        for each in await _waiting(call):
            others = [plug for plug in each.plugs if plug not in plugs]
            if which(each) and len(others) < len(each.plugs):
                had.append(each)
                await call.cancel(
                    each.job, instead=_command(others, each.state) if others else None
                )
                each = each._replace(plugs=others)
            if each.plugs:
                left.append(each)
        if had:  # after the jobs: of what a crash leaves here, nothing is switched any more
            await call.store.set(KEY, left or None)
    return had


async def _waiting(call: Call) -> list[Back]:
    """Those that are not over.

    One whose time has come is among them: it is just being done, or waits for its turn.
    """
    kept = [Back(*each) for each in await call.store.get(KEY) or ()]
    return [each for each in kept if each.due > time.time() - WAITS]


def _command(plugs: Sequence[str], *state: str) -> str:
    """As a module writes a command for later, whatever this house has chosen."""
    return House().typed("plug", *plugs, *state)
