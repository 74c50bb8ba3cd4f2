"""Clocks for a test: one that it holds in its hand, and the machine's, believed at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from housecarl.clock import SystemClock

#: When test clocks start: a quiet Monday noon.
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class BelievedClock(SystemClock):
    """The machine's own, also where it has just booted and no time service has set its clock.

    A change would wait for ten minutes there.
    """

    def synchronised(self) -> bool:
        """Always."""
        return True


class FakeClock:
    """Stands still until it is moved; who waits wakes when the time is passed or set back."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._synchronised = True
        self._waiting: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The time it shows."""
        return self._now

    def synchronised(self) -> bool:
        """Whether it is believed; see `doubt`."""
        return self._synchronised

    def doubt(self, doubtful: bool = True) -> None:
        """Make it a clock that has not been set since the boot."""
        self._synchronised = not doubtful

    async def wait_until(self, when: datetime) -> None:
        """Return once it was moved to `when` or beyond, or back."""
        if when <= self._now:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((when, future))
        try:
            await future
        finally:  # a waiter that was woken by something else waits no more
            self._waiting = [each for each in self._waiting if each[1] is not future]

    @property
    def next(self) -> datetime | None:
        """The soonest time that somebody waits for; None when nobody does."""
        return min((when for when, _ in self._waiting), default=None)

    def move(self, by: timedelta | float) -> None:
        """Move it by a time span or by seconds, also backwards."""
        self.set(self._now + (by if isinstance(by, timedelta) else timedelta(seconds=by)))

    def set(self, now: datetime) -> None:
        """Set it; everybody whose time has come wakes, soonest first; when set back, everybody."""
        back = now < self._now
        self._now = now
        due = sorted((w for w in self._waiting if back or w[0] <= now), key=lambda w: w[0])
        self._waiting = [w for w in self._waiting if w not in due]
        for _, future in due:
            if not future.done():
                future.set_result(None)
