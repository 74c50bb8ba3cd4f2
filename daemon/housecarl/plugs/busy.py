"""Whether a plug must be left alone: its firmware is written, here or by another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from housecarl.plugs import flash_log, version
from housecarl.plugs.download import FLASH_TIME, REBOOT_TIME
from housecarl.plugs.flash_log import KeyValue, Unfinished
from housecarl.plugs.wire import PlugError

#: the module in whose store a flash is noted
MODULE = "firmware"
#: seconds after its last order in which a plug may be writing, though nobody watches it any more
SETTLE = float(FLASH_TIME + REBOOT_TIME)

#: by the time of a last order that is in the future: when this process first saw it, monotonic
_seen: dict[float, float] = {}


class PlugBusy(PlugError):
    """The plug must be left alone; it was not asked anything."""


def apart(row: Mapping[str, Any]) -> dict[str, str]:
    """The plugs that must be left alone, each with the end of a sentence that says why.

    `row` is what the store of `MODULE` has under `flash_log.KEY`.
    """
    plugs = {}
    for one in flash_log.found(row):
        if one.live:
            target = version.short(one.target)
            plugs[one.plug] = f"is being flashed to {target}; do not unplug it."
        elif writing(one):
            plugs[one.plug] = "may be writing its firmware; do not unplug it."
    return plugs


def writing(one: Unfinished, settle: float = SETTLE) -> bool:
    """Whether its plug, which nobody watches any more, may still be writing.

    A last order in the future, as after a power cut on a machine without a clock of its own, may
    have been given just before we first saw it.
    """
    age = time.time() - one.at
    if age < 0:
        now = time.monotonic()
        age = now - _seen.setdefault(one.at, now)
    return one.ordered and age < settle


async def left_alone(store: KeyValue) -> dict[str, str]:
    """`apart`, from the store of `MODULE`."""
    return apart(await store.get(flash_log.KEY, {}))


async def leave_alone(store: KeyValue, plug: str) -> None:
    """Raise PlugBusy while a plug is being flashed; `store` is that of `MODULE`.

    To be asked with the plug's lock held: a flash is noted with it held, too.
    """
    why = (await left_alone(store)).get(plug)
    if why is not None:
        raise PlugBusy(plug, why)


@asynccontextmanager
async def turn(
    lock: AbstractAsyncContextManager[None], plug: str, seconds: float
) -> AsyncIterator[None]:
    """With the plug's lock held; PlugBusy when others hold it for so many seconds."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(seconds):
                await stack.enter_async_context(lock)
        except TimeoutError:
            raise PlugBusy(plug, "is busy with another request.") from None
        yield
