"""The truth about a flash that we did not see the end of: asked of the plug, never guessed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from housecarl.plugs import version
from housecarl.plugs.device import Device
from housecarl.plugs.flash_log import Unfinished
from housecarl.plugs.wire import PlugError


async def found(row: Unfinished, device: Device | None, timezone: str) -> tuple[bool, str]:
    """(whether that is the end of it, the sentence); only looks, never goes on with a flash."""
    at = f"{datetime.fromtimestamp(row.started, ZoneInfo(timezone)):%H:%M}"
    head = f"{row.plug}: the flash of {at} was interrupted here."
    if device is None:
        return True, f"{head} It is not in the config any more; check it by hand."
    try:
        seen = await device.identity()
    except PlugError:
        if row.ordered:
            return False, f"{head} It does not answer. Do not unplug it for 5 min, then check it."
        return False, f"{head} It does not answer; nothing was written to it."
    runs = version.short(seen.sw_ver)
    if seen.updating:
        return False, f"{head} It says it is updating. Do not unplug it."
    if version.same(row.target, seen.sw_ver):
        return True, f"{head} It runs {runs} now: the flash went through."
    return True, f"{head} It runs {runs}, working: it was not flashed."
