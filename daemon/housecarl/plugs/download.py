"""The plug fetches its firmware from us: started once, watched until it has every byte."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from housecarl.plugs import wire
from housecarl.plugs.device import Device
from housecarl.plugs.serve import Serving
from housecarl.plugs.wire import PlugError, PlugRefused

#: seconds between two looks at the progress
LOOK_EVERY = 1.0
#: seconds without progress after which it is given up
STALL = 60.0
#: seconds for all; the plug itself gives up after 300
LONGEST = 330.0
#: seconds; a plug that gives up no sooner has waited as long as it does, which are 300
GIVES_UP = 295.0
#: looks in a row that must say 100 %: the plug says so with the last byte, just before it is ready
FULL_LOOKS = 2
#: seconds, what the first hardware version announces; for a plug that announces nothing
FLASH_TIME, REBOOT_TIME = 66, 20
#: seconds; more than this no honest plug announces
LONGEST_TIME = 600


class NotFlashed(Exception):
    """It ended before anything was written; the text says why."""


class Pace(NamedTuple):
    """How long a second of waiting is: 1.0 for real plugs, less for simulated ones."""

    scale: float = 1.0

    def of(self, seconds: float) -> float:
        """Real seconds to wait."""
        return seconds * self.scale


class Times(NamedTuple):
    """What the plug announces, in seconds."""

    flash: int = FLASH_TIME
    reboot: int = REBOOT_TIME


async def start(device: Device, url: str) -> None:
    """Tell the plug to fetch `url`, once; its yes means nothing yet. Raises NotFlashed."""
    try:
        answer = await device.ask({"system": {"download_firmware": {"url": url}}})
        wire.member(device.name, answer, "system", "download_firmware")
    except PlugRefused as error:
        raise NotFlashed(f"it refused the download ({error.code})") from None
    except PlugError as error:
        if not error.sent:
            raise NotFlashed("it does not answer") from None


class Watch:
    """Follow one download; `auto` is a plug that writes by itself once it has everything."""

    def __init__(self, device: Device, serving: Serving, auto: bool, pace: Pace) -> None:
        self._device = device
        self._serving = serving
        self._auto = auto
        self._pace = pace
        self._began = time.monotonic()
        self._ratio = 0
        self._times = Times()

    async def until_loaded(self, progress: Callable[[int], None]) -> Times:
        """Return when the plug has the file. Raises NotFlashed with where it stopped and why."""
        moved = self._began
        full = 0
        while True:
            ratio = await self._look()
            now = time.monotonic()
            if ratio is not None and ratio != self._ratio:
                self._ratio, moved = ratio, now
                progress(ratio)
            full = full + 1 if ratio == 100 else 0
            writes = self._auto and self._all_sent  # perhaps, whatever it says of its progress
            if full == FULL_LOOKS or (ratio is None and writes):
                return self._complete()
            if now - moved > self._pace.of(STALL) or now - self._began > self._pace.of(LONGEST):
                if writes:
                    return self._complete()
                why = "no answer" if ratio is None else "timed out"
                raise NotFlashed(f"download stopped at {self._ratio}% ({why})")
            await asyncio.sleep(self._pace.of(LOOK_EVERY))

    @property
    def _all_sent(self) -> bool:
        return self._serving.sent == self._serving.size

    def _complete(self) -> Times:
        if not self._all_sent and not self._auto:
            sent, size = self._serving.sent, self._serving.size
            raise NotFlashed(f"the plug fetched {sent} of {size} bytes")
        return self._times

    async def _look(self) -> int | None:
        """Percent loaded; None when the plug does not answer. Raises NotFlashed when it failed."""
        name = self._device.name
        seconds = max(0.5, self._pace.of(wire.DEADLINE))
        request: wire.Answer = {"system": {"get_download_state": {}, "get_sysinfo": {}}}
        try:
            answer = await self._device.ask(request, seconds=seconds, tries=2)
        except PlugError:
            return None
        try:
            state = wire.member(name, answer, "system", "get_download_state")
        except PlugRefused:
            if self._auto and self._all_sent and _updating(answer):
                return 100
            raise NotFlashed(self._failed()) from None
        except PlugError:
            return None
        self._times = Times(
            _seconds(state.get("flash_time"), FLASH_TIME),
            _seconds(state.get("reboot_time"), REBOOT_TIME),
        )
        ratio = _seconds(state.get("ratio"), 0)
        return min(100, ratio)

    def _failed(self) -> str:
        if not self._serving.sent:
            return "the plug could not fetch the file from here"
        late = time.monotonic() - self._began >= self._pace.of(GIVES_UP)
        if self._all_sent and self._auto and not late:
            return "the plug refused the file"
        why = "timed out" if late else "connection lost"
        return f"download stopped at {self._ratio}% ({why})"


def _updating(answer: wire.Answer) -> bool:
    info = answer.get("system", {}).get("get_sysinfo", {})
    return isinstance(info, dict) and info.get("updating") == 1


def _seconds(value: Any, otherwise: int) -> int:
    """A number as a plug gives it, perhaps as text; `otherwise` when it is none."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):  # JSON has 1e999
        return otherwise
    return number if 0 <= number <= LONGEST_TIME else otherwise
