"""The pulse: systemd's watchdog hears of us only while the loop turns and the house gets on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from housecarl.errors import StorageError
from housecarl.house import House
from housecarl.notify import notify, watchdog_seconds

log = structlog.get_logger()

#: Seconds in which messages that wait must get on, beside the longest that a command may take.
STALL_SECONDS = 60.0

#: Seconds without a house, or a try to open one (15 min): a flash is waited for before.
BETWEEN_SECONDS = 900.0

#: Seconds between two looks while something does not answer.
LOOK_SECONDS = 0.5


class Pulse:
    """Asks the threads of journal, spool and loop, and the worker, before every word to systemd.

    One that hangs, as a disk that never answers makes them, stops the pulse: systemd ends us and
    starts us again. `house` is whichever is open, None between two.
    """

    def __init__(self, house: Callable[[], House | None]) -> None:
        self._house = house
        self._without_since: float | None = None
        self._carried = (-1, 0.0)

    def gets_on(self) -> None:
        """There is no house yet, and another try begins: one hangs for ever, many may be made."""
        self._without_since = None

    async def run(self) -> None:
        """Until it is cancelled; returns at once when no watchdog asks."""
        every = watchdog_seconds()
        while every is not None:
            began = time.monotonic()
            while not await self._beats(every):
                pass
            notify("WATCHDOG=1")
            await asyncio.sleep(max(0.0, began + every - time.monotonic()))

    async def _beats(self, patience: float) -> bool:
        """Whether the house that is open now has answered; names what does not, once."""
        house = self._house()
        if house is None:
            return await self._may_be_without()
        self._without_since = None
        asked = _ask(house)
        told = time.monotonic() + patience
        try:
            while waiting := self._silent(house, asked):
                await asyncio.wait(asked.values(), timeout=LOOK_SECONDS)
                if self._house() is not house:
                    return False
                if time.monotonic() > told:
                    told = float("inf")
                    log.error("stuck", parts=waiting)
        finally:
            for task in asked.values():
                task.cancel()
        return True

    async def _may_be_without(self) -> bool:
        """A house is closed and opened again in its own time, not for ever."""
        now = time.monotonic()
        self._without_since = self._without_since or now
        if now - self._without_since < BETWEEN_SECONDS:
            return True
        await asyncio.sleep(LOOK_SECONDS)
        return False

    def _silent(self, house: House, asked: dict[str, asyncio.Task[None]]) -> list[str]:
        """The parts that do not get on."""
        silent = [name for name, task in asked.items() if not task.done()]
        return [*silent, "worker"] if self._is_stalled(house) else silent

    def _is_stalled(self, house: House) -> bool:
        """Whether messages wait and none was carried for longer than any command may take."""
        now, (carried, since) = time.monotonic(), self._carried
        if house.worker.carried != carried or not house.worker.waiting:
            self._carried = (house.worker.carried, now)
            return False
        return now - since > patience_of(house)


def patience_of(house: House) -> float:
    """Seconds within which a house whose messages wait carries at least one."""
    own = (command.spec.timeout for command in house.registry.commands.values())
    ruled = (rule.timeout or 0.0 for rule in house.config.commands.values())
    return STALL_SECONDS + max((*own, *ruled), default=0.0)


def _ask(house: House) -> dict[str, asyncio.Task[None]]:
    """One piece of work, of nothing, for each thread that the house rests on."""
    work: dict[str, Awaitable[None]] = {
        "journal": house.db.write(lambda _: None),
        "journal-read": house.db.read(lambda _: None),
        "spool": house.spool.settle(),
        "threads": asyncio.to_thread(lambda: None),  # modules whose calls hang may hold them all
    }
    return {name: asyncio.create_task(_done(each)) for name, each in work.items()}


async def _done(work: Awaitable[None]) -> None:
    """An answer is an answer: faults are the business of the restart path."""
    with suppress(StorageError, RuntimeError):  # RuntimeError: the spool was stopped meanwhile
        await work
