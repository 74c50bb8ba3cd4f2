"""A flash that a newer plug does by itself from the vendor's cloud: ordered once, then watched."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

from housecarl.plugs.cloud import CloudReady
from housecarl.plugs.download import (
    FLASH_TIME,
    LONGEST,
    LONGEST_TIME,
    LOOK_EVERY,
    REBOOT_TIME,
    STALL,
    NotFlashed,
    Pace,
    Times,
)
from housecarl.plugs.flash import DOWNLOADED, Flash, Progress
from housecarl.plugs.flash_log import FlashLog
from housecarl.plugs.tapo import DOWNLOADING, WRITING
from housecarl.plugs.wire import PlugError, PlugRefused

#: looks in a row without an answer after which it is taken to reboot
SILENT_LOOKS = 3
#: seconds in which an order that was taken must show
BEGINS_WITHIN = 20.0


class State(NamedTuple):
    """How far the plug is, in its own count; the times are what it announces, in seconds."""

    status: int
    percent: int
    times: Times


class CloudFlash(Flash):
    """Flash one newer plug."""

    def __init__(
        self, ready: CloudReady, flash_log: FlashLog, pace: Pace, progress: Progress
    ) -> None:
        super().__init__(ready, flash_log, pace, progress)
        self._plug = ready.plug

    async def _download(self) -> Times:
        """Order it, which is the commit, and follow the plug until it writes or reboots."""
        await self._is_there()
        await self._log.step("commit")
        try:
            await self._plug.fetch_firmware()
        except PlugRefused as error:
            raise NotFlashed(f"it refused the download ({error.code})") from None
        except PlugError as error:
            if not error.sent:
                raise NotFlashed("it does not answer") from None
        return await self._until_written()

    async def _until_written(self) -> Times:
        """Return when it writes, or is silent and so may reboot. Raises NotFlashed."""
        began = moved = time.monotonic()
        percent, silent, seen = 0, 0, False
        while True:
            await asyncio.sleep(self._pace.of(LOOK_EVERY))
            state, now = await self._state(), time.monotonic()
            silent = silent + 1 if state is None else 0
            if silent == SILENT_LOOKS:
                return Times()
            if state is not None and state.status == WRITING:
                return state.times
            if state is not None and state.status == DOWNLOADING:
                moved = now if state.percent != percent or not seen else moved
                percent, seen = state.percent, True
                self._progress(percent / 100 * DOWNLOADED, f"downloading {percent}%")
            elif state is not None and await self._ended(state, seen, percent, now - began):
                return state.times
            if now - moved > self._pace.of(STALL) or now - began > self._pace.of(LONGEST):
                raise NotFlashed(f"download stopped at {percent}% (timed out)")

    async def _ended(self, state: State, seen: bool, percent: int, spent: float) -> bool:
        """Whether a plug that is idle runs the new version; NotFlashed when it will not."""
        if state.status < 0:
            raise NotFlashed(f"download stopped at {percent}% (error {state.status})")
        try:
            if self._is_new(await self._plug.identity()):
                return True
        except PlugError:
            return False
        if seen:
            raise NotFlashed(f"download stopped at {percent}% (given up by the plug)")
        if spent > self._pace.of(BEGINS_WITHIN):
            raise NotFlashed("it said yes, but did not begin")
        return False

    async def _state(self) -> State | None:
        """What the plug says of its update; None when it does not answer."""
        try:
            seconds = max(0.5, self._pace.of(self._plug.seconds))
            return await self._plug.with_firmware(_read, seconds=seconds)
        except PlugError:
            return None


async def _read(firmware: Any) -> State:
    told = await firmware.get_update_state()
    flash, reboot = _bounded(told.upgrade_time, FLASH_TIME), _bounded(told.reboot_time, REBOOT_TIME)
    return State(int(told.status), min(100, max(0, int(told.progress))), Times(flash, reboot))


def _bounded(seconds: int, otherwise: int) -> int:
    return seconds if 0 <= seconds <= LONGEST_TIME else otherwise
