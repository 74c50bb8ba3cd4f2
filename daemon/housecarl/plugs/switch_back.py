"""Switching back: the job that ends an `on 30`, and which plugs it still is to switch."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from housecarl.module import Call, CommandError, House


class Back(NamedTuple):
    """A job that switches plugs to a state; `due` is in seconds since 1970."""

    job: int
    state: str
    due: float


async def arrange(call: Call, plugs: Sequence[str], state: str, minutes: int) -> Back:
    """Have plugs switched later; to be asked before they are switched now.

    So that none stays as it is for want of a job. Raises CommandError when there can be no more.
    """
    due = time.time() + minutes * 60
    try:
        job = await call.schedule(timedelta(minutes=minutes), _command(plugs, state))
    except CommandError as error:
        raise CommandError(f"{error} Nothing was switched.") from None
    back = Back(job, state, due)
    await call.store.set(_plugs_of(back), list(plugs))
    return back


async def replace(call: Call, plug: str, back: Back | None) -> bool:
    """A plug was switched: whatever was to switch it back leaves it alone, only `back` does.

    Whether something was to. To be called with the plug's lock held.
    """
    key = f"back {plug}"
    former = await call.store.get(key)
    if former is None and back is None:
        return False
    await call.store.set(key, back)
    if former is not None:
        await leave_out(call, Back(*former), [plug])
    return former is not None


async def leave_out(call: Call, back: Back, plugs: Collection[str]) -> None:
    """Take plugs out of a job; without any it is cancelled."""
    key = _plugs_of(back)
    async with call.lock(key):
        left = [plug for plug in await call.store.get(key) or () if plug not in plugs]
        await call.store.set(key, left or None)
        if back.due > time.time():  # else it is over, and one day its number is that of another
            await call.cancel(back.job, instead=_command(left, back.state) if left else None)


def _plugs_of(back: Back) -> str:
    """Where the store keeps which plugs a job still is to switch."""
    return f"plugs of {back.job} {back.due}"


def _command(plugs: Sequence[str], state: str) -> str:
    """As a module writes a command for later, whatever this house has chosen."""
    return House().typed("plug", *plugs, state)
