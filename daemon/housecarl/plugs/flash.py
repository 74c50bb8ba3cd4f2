"""One firmware flash, step by step, each written down before it is done; never tried twice."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import structlog

from housecarl.plugs import download, meter, version, wire
from housecarl.plugs.device import Identity
from housecarl.plugs.download import NotFlashed, Pace
from housecarl.plugs.flash_log import FlashLog
from housecarl.plugs.preflight import Prepared
from housecarl.plugs.wire import PlugError, PlugRefused

log = structlog.get_logger()

#: (how far, what is going on)
Progress = Callable[[float, str], None]

#: seconds `flash_firmware` may take: the plug checks a signature over 4 MB first
COMMIT_SECONDS = 15.0
#: seconds between two looks for a plug that reboots
LOOK_EVERY = 3.0
#: seconds added to twice the announced flash and reboot before we give up
PATIENCE = 60.0
#: shares of the progress bar
DOWNLOADED, WRITTEN, BACK = 0.4, 0.8, 0.95
#: readings after the flash, and the seconds between them
METER_READINGS, METER_PAUSE = 3, 2.0


class Outcome(NamedTuple):
    """How a flash ended; `text` is the verdict for the sender."""

    done: bool
    text: str


class NotBack(Exception):
    """The plug was told to write and is not what it should be now; the text is the verdict."""


class Flash(ABC):
    """Flash one plug, wherever it gets the firmware from; the log must be claimed already."""

    def __init__(
        self, ready: Prepared, flash_log: FlashLog, pace: Pace, progress: Progress
    ) -> None:
        self._ready = ready
        self._log = flash_log
        self._pace = pace
        self._progress = progress
        self._name = ready.device.name
        self._old = version.short(ready.identity.sw_ver)
        self._new = version.short(ready.target)
        #: whether the plug was told to write; its `updating` also means a download into RAM
        self._ordered = False
        #: whether it may have been told to fetch, which is to write for one that writes by itself
        self._begun = False

    async def run(self) -> Outcome:
        """Do it and tell how it went; never raises but when it is cancelled."""
        started = time.monotonic()
        try:
            times = await self._download()
            if not self._ready.auto:
                await self._commit()
            back = await self._wait(times)
            outcome = Outcome(True, await self._verified(back, time.monotonic() - started))
        except NotFlashed as error:
            outcome = Outcome(False, await self._still(str(error)))
        except NotBack as error:
            outcome = Outcome(False, f"{self._name} {error}")
        except Exception as error:  # whatever broke here, the sender is told
            log.exception("flash-broke", plug=self._name)
            outcome = Outcome(False, await self._still(f"{type(error).__name__} here"))
        await self._log.finish(outcome.text, done=outcome.done)
        self._progress(1.0, "done" if outcome.done else "failed")
        return outcome

    @abstractmethod
    async def _download(self) -> download.Times:
        """Let the plug get its firmware; where that is the commit, it is noted as such first."""

    async def _is_there(self) -> None:
        """Raise NotFlashed when it is not there any more, or another plug is in its place.

        To be asked just before an order that makes a plug write: addresses move.
        """
        try:
            seen = await self._ready.device.identity()
        except PlugError:
            raise NotFlashed("it fell silent before the order") from None
        if _who(seen) != _who(self._ready.identity):
            raise NotFlashed("it is not the same plug any more")
        self._begun = True

    async def _commit(self) -> None:
        """First hardware version: the order to write, given once."""
        await self._is_there()
        await self._log.step("commit")
        self._ordered = True
        seconds = max(2.0, self._pace.of(COMMIT_SECONDS))
        try:
            answer = await self._ready.device.ask(
                {"system": {"flash_firmware": {}}}, seconds=seconds
            )
            wire.member(self._name, answer, "system", "flash_firmware")
        except PlugRefused as error:
            if error.code != -2 and "auto flash" not in error.said:
                self._ordered = False
                said = error.said or "no reason given"
                raise NotFlashed(f"the plug refused the file: {said} ({error.code})") from None
        except PlugError as error:
            if not error.sent:
                self._ordered = False
                raise NotFlashed("it did not take the order to flash") from None

    async def _wait(self, times: download.Times) -> Identity:
        """Wait for the write and the reboot; the plug as it is afterwards. Raises NotBack."""
        await self._log.step("flashing")
        began = time.monotonic()
        limit = 2 * (times.flash + times.reboot) + PATIENCE
        await self._sleep(times.flash)
        gone, seen = False, None
        while time.monotonic() - began < self._pace.of(limit):
            spent = (time.monotonic() - began) / self._pace.of(limit)
            self._progress(WRITTEN + spent * (BACK - WRITTEN), "waiting for it to come back")
            try:
                seen = await self._ready.device.identity(seconds=max(0.5, self._pace.of(6)))
            except PlugError:
                gone, seen = True, None
            if seen is not None and (self._is_new(seen) or (gone and not seen.updating)):
                return seen
            await asyncio.sleep(self._pace.of(LOOK_EVERY))
        if seen is not None and seen.updating:
            raise NotBack(f"still says it is updating after {limit:.0f} s. Do not unplug it.")
        if seen is not None:
            return seen
        raise NotBack(
            f"did not come back after {limit:.0f} s. Do not unplug it for 5 min, then check it by"
            " hand."
        )

    async def _sleep(self, seconds: int) -> None:
        """Wait for the flash to be written, the bar moving."""
        for step in range(20):
            share = DOWNLOADED + step / 20 * (WRITTEN - DOWNLOADED)
            self._progress(share, "writing, do not unplug")
            await asyncio.sleep(self._pace.of(seconds) / 20)

    def _is_new(self, seen: Identity) -> bool:
        return version.same(self._ready.target, seen.sw_ver)

    async def _verified(self, seen: Identity, seconds: float) -> str:
        """Compare who came back with who left, restore the relay, read the meter."""
        await self._log.step("back", seen.sw_ver)
        before = self._ready.identity
        if _who(seen) != _who(before):
            raise NotBack("is not the same device any more: another one answers at its address.")
        if not self._is_new(seen):
            raise NotBack(f"{self._other(seen)} Working. {await self._restored(seen)}")
        self._progress(BACK, "back with the new version")
        relay = await self._restored(seen)
        reads = await self._measured()
        return f"{self._name} flashed: {self._old} > {self._new} in {seconds:.0f} s. {relay}{reads}"

    def _other(self, seen: Identity) -> str:
        """That it came back with another version than it was to get."""
        runs, wanted = version.short(seen.sw_ver), self._new
        if runs == self._old:
            return f"NOT flashed: it came back with {runs}, not {wanted}."
        if runs == wanted:  # the builds differ
            runs, wanted = seen.sw_ver, self._ready.target
        return f"flashed, but it came back with {runs[:40]}, not {wanted[:40]}."

    async def _restored(self, seen: Identity) -> str:
        """Set the relay as it was, and read it back."""
        await self._log.step("relay")
        wanted = self._ready.identity.on
        was = "on" if wanted else "off"
        try:
            if seen.on != wanted:
                await self._ready.device.switch(wanted)
                seen = await self._ready.device.identity()
        except PlugError:
            return f"It was {was}; it did not answer when told to be so again."
        if seen.on != wanted:
            return f"It was {was} and is {'on' if seen.on else 'off'} now."
        return f"It was {was} and is {was} again."

    async def _measured(self) -> str:
        """What the meter says with the new firmware."""
        await self._log.step("meter")
        ready = self._ready
        if not ready.identity.metered:
            return ""
        try:
            pause = self._pace.of(METER_PAUSE)
            readings = await ready.device.readings(METER_READINGS, pause=pause)
        except PlugError:
            return " Its meter does not answer."
        if not readings:
            return ""
        limit = meter.max_watts(ready.identity.model, ready.device.address.max_watts)
        judgement = meter.judge(readings, ready.identity.on, limit)
        if judgement.fault is not None:
            return f" Its meter still {judgement.fault}."
        if judgement.watts is None:
            return " Its meter gives no reading."
        return f" Meter now reads {judgement.watts:.0f} W."

    async def _still(self, why: str) -> str:
        """The verdict when nothing was, or should have been, written: what the plug says now."""
        try:
            seen = await self._ready.device.identity()
        except PlugError:
            left = "It does not answer now. Do not unplug it for 5 min, then check it."
            if self._ordered:
                return f"{self._name}: {why}, after it was told to write. {left}"
            if not (self._ready.auto and self._begun):
                left = "It does not answer now; nothing was written to it."
            return f"{self._name} NOT flashed: {why}. {left}"
        if _who(seen) != _who(self._ready.identity):
            told = "" if self._ordered else " NOT flashed"
            return f"{self._name}{told}: {why}. Another plug answers at its address now."
        runs = version.short(seen.sw_ver)
        if self._is_new(seen):
            return f"{self._name} runs {runs} now, though {why}."
        if seen.updating and (self._ready.auto or self._ordered):
            return f"{self._name}: {why}, and it still says it is updating. Do not unplug it."
        return f"{self._name} NOT flashed: {why}. Still on {runs}, working."


def _who(seen: Identity) -> tuple[str, ...]:
    """What no firmware changes."""
    return (seen.hw_id, seen.device_id, seen.mac, seen.model)
