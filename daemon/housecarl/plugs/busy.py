"""Whether a plug must be left alone: its firmware is written, here or by another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from housecarl.plugs import version
from housecarl.plugs.download import FLASH_TIME, REBOOT_TIME
from housecarl.plugs.flash_log import KeyValue, StoreLog
from housecarl.plugs.wire import PlugError

#: the module in whose store a flash is noted
MODULE = "firmware"
#: seconds after its last order in which a plug may be writing, though nobody watches it any more
SETTLE = float(FLASH_TIME + REBOOT_TIME)


class PlugBusy(PlugError):
    """The plug must be left alone; it was not asked anything."""


async def leave_alone(store: KeyValue, plug: str) -> None:
    """Raise PlugBusy while a plug is being flashed; `store` is that of `MODULE`.

    To be asked with the plug's lock held: a flash is noted with it held, too.
    """
    for row in await StoreLog(store).unfinished():
        if row.plug != plug:
            continue
        if row.live:
            target = version.short(row.target)
            raise PlugBusy(plug, f"is being flashed to {target}; do not unplug it.")
        if row.ordered and 0 <= time.time() - row.at < SETTLE:
            raise PlugBusy(plug, "may be writing its firmware; do not unplug it.")


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
