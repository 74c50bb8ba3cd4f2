"""The truth about a flash that we did not see the end of: asked of the plug, never guessed."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from housecarl.plugs import version
from housecarl.plugs.busy import SETTLE, age, writing
from housecarl.plugs.device import Device, Identity
from housecarl.plugs.download import Pace
from housecarl.plugs.flash import LOOK_EVERY, PATIENCE
from housecarl.plugs.flash_log import StoreLog, Unfinished
from housecarl.plugs.wire import PlugError

#: seconds for which a start looks for the plug, then it says what it does not know
LONGEST = 2 * SETTLE + PATIENCE
#: seconds after its last step from which a plug that stays silent, or says that it is updating, is
#: to be checked by hand and keeps no other from being flashed: to load takes 330 at the most, to
#: write and reboot 1200 for one that announces the most
GIVEN_UP = 1800.0


async def settled(
    log: StoreLog, row: Unfinished, device: Device | None, zone: str, pace: Pace
) -> str:
    """Look until it is known what became of it, bounded; the sentence. Its end is written down.

    What is still not known then stays open: whoever asks next looks again.
    """
    until = time.monotonic() + pace.of(LONGEST)
    while True:
        again = time.monotonic() < until
        ended, sentence = await found(row, device, zone, settle=pace.of(SETTLE), again=again)
        if ended:
            await log.finish(sentence)
        if ended or not again:
            return sentence
        await asyncio.sleep(pace.of(LOOK_EVERY))


async def found(
    row: Unfinished,
    device: Device | None,
    timezone: str,
    *,
    settle: float = SETTLE,
    again: bool = False,
) -> tuple[bool, str]:
    """(whether that is the end of it, the sentence); only looks, never goes on with a flash.

    `settle` is how many seconds after its last order a plug may still be writing. Nobody is given
    up who is looked for `again`: after a power cut the Wi-Fi may come back later than the house.
    """
    at = f"{datetime.fromtimestamp(row.started, ZoneInfo(timezone)):%H:%M}"
    head = f"{row.plug}: the flash of {at} was interrupted here."
    over = not again and age(row) >= GIVEN_UP
    if device is None:
        gone = "It is not in the config any more; check it by hand."
        return not writing(row, settle), f"{head} {gone}"  # it may have another name by now
    try:
        seen = await device.identity()
    except PlugError:
        if not row.ordered:
            return over, f"{head} It does not answer; nothing was written to it."
        if over:
            return True, f"{head} It still does not answer; check it by hand."
        return False, f"{head} It does not answer. Do not unplug it for 5 min, then check it."
    if row.mac and seen.mac != row.mac:
        return True, f"{head} Another device answers at its address; check it by hand."
    runs = version.short(seen.sw_ver)
    if seen.updating:
        return over, f"{head} It says it is updating. Do not unplug it."
    if version.same(row.target, seen.sw_ver):
        return True, f"{head} It runs {runs} now: the flash went through.{_relay(row, seen)}"
    if writing(row, settle):
        return False, f"{head} It still runs {runs} and may be writing. Do not unplug it."
    return True, f"{head} It runs {runs}, working: it was NOT flashed.{_relay(row, seen)}"


def _relay(row: Unfinished, seen: Identity) -> str:
    """That it is not switched as it was; it is left as it is."""
    if row.on is None or row.on == seen.on:
        return ""
    return f" It was {'on' if row.on else 'off'} and is {'on' if seen.on else 'off'} now."
