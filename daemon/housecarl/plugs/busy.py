"""Whether a plug must be left alone: its firmware is written, here or by another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from housecarl.plugs import flash_log, place, version
from housecarl.plugs.device import Device
from housecarl.plugs.download import FLASH_TIME, REBOOT_TIME
from housecarl.plugs.flash_log import KeyValue, Unfinished
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.wire import PlugError

#: the module in whose store a flash is noted
MODULE = "firmware"
#: seconds after its last order in which a plug may be writing, though nobody watches it any more
SETTLE = float(FLASH_TIME + REBOOT_TIME)

#: by the time of a last step that is in the future: when this process first saw it, monotonic
_seen: dict[float, float] = {}


class PlugBusy(PlugError):
    """The plug must be left alone; it was not asked anything."""


async def among(row: Mapping[str, Any], plugs: Mapping[str, PlugAddress]) -> dict[str, str]:
    """Those of `plugs` that must be left alone, each with the end of a sentence that says why.

    `row` is what the store of `MODULE` has under `flash_log.KEY`. The plug that is flashed is known
    by its name and by its place: another module may call it otherwise.
    """
    apart: dict[str, str] = {}
    for one in flash_log.found(row):
        if why := _why(one):
            # beside each other: each may wait for a DNS that has no answer
            found = await asyncio.gather(*(_is(one, *plug) for plug in plugs.items()))
            apart |= {name: why for name, same in zip(plugs, found, strict=True) if same}
    return apart


def _why(one: Unfinished) -> str:
    """Why its plug must be left alone, as the end of a sentence; empty when it need not."""
    if one.live:
        return f"is being flashed to {version.short(one.target)}; do not unplug it."
    return "may be writing its firmware; do not unplug it." if writing(one) else ""


async def _is(one: Unfinished, name: str, address: PlugAddress) -> bool:
    if name == one.plug:
        return True
    return one.port == address.port and await place.same(one.host, address.host)


def writing(one: Unfinished, settle: float = SETTLE) -> bool:
    """Whether its plug, which nobody watches any more, may still be writing."""
    return one.ordered and age(one) < settle


def age(one: Unfinished) -> float:
    """Seconds since its last step.

    One in the future, as after a power cut on a machine without a clock of its own, may have been
    just before we first saw it.
    """
    since = time.time() - one.at
    if since < 0:
        now = time.monotonic()
        since = now - _seen.setdefault(one.at, now)
    return since


async def left_alone(store: KeyValue, plugs: Mapping[str, PlugAddress]) -> dict[str, str]:
    """`among`, from the store of `MODULE`."""
    return await among(await store.get(flash_log.KEY, {}), plugs)


async def leave_alone(store: KeyValue, plug: Device) -> None:
    """Raise PlugBusy while a plug is being flashed; `store` is that of `MODULE`.

    To be asked with the plug's lock held: a flash is noted with it held, too.
    """
    why = (await left_alone(store, {plug.name: plug.address})).get(plug.name)
    if why is not None:
        raise PlugBusy(plug.name, why)


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
