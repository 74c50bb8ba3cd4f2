"""The time: one object that everything asks, so that a test can hold it in its hand."""

from __future__ import annotations

import asyncio
import ctypes
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

#: Seconds after boot in which a clock without time service is not believed (10 min: a slow router).
SETTLE_SECONDS = 600.0

#: Between two looks whether a clock that nobody has set since the boot is set.
UNSET_CLOCK = timedelta(minutes=1)

#: The longest sleep until it is looked whether the clock was set: few wake-ups in an idle house.
STEP_SECONDS = 60.0

#: adjtimex(2): the kernel says that nothing disciplines the clock.
_STA_UNSYNC = 0x0040


class Clock(Protocol):
    """What the daemon asks for the time."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        ...

    def synchronised(self) -> bool:
        """Whether the time can be believed yet; False only shortly after a boot."""
        ...

    async def wait_until(self, when: datetime) -> None:
        """Return once it is `when`, or when the clock was set back: then all plans are made anew.

        That it was set is noticed within a minute.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC)

    def synchronised(self) -> bool:
        """False while the machine has just booted and no time service has set its clock."""
        if time.clock_gettime(time.CLOCK_BOOTTIME) > SETTLE_SECONDS:
            return True
        return is_disciplined()

    async def wait_until(self, when: datetime) -> None:
        """Sleep in steps, since a timer does not see the clock being set."""
        before = now = self.now()
        while before <= now < when:
            await asyncio.sleep(min((when - now).total_seconds(), STEP_SECONDS))
            before, now = now, self.now()


async def rest(clock: Clock, until: datetime | None, woken: asyncio.Event) -> None:
    """Sleep until a time, None for ever; or until woken, or until the clock is set back."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(woken.wait())]
    if until is not None:
        waits.append(asyncio.ensure_future(clock.wait_until(until)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def is_disciplined() -> bool:
    """Whether a time service sets the machine's clock, as the kernel knows it."""
    return not _kernel_status() & _STA_UNSYNC


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), whose longs are half as long on a 32-bit Raspberry Pi."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("before", ctypes.c_long * 4),
        ("status", ctypes.c_int),
        ("behind", ctypes.c_long * 64),
    )


def _kernel_status() -> int:
    """The status bits of adjtimex(2); 0 (all well) where the call is not to be had."""
    told = _Timex()
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told)) < 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return int(told.status)
