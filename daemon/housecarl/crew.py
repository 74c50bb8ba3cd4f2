"""The crew: carriers for what waits, and more of them while some wait for a person's turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

#: Messages carried at once: enough to fill a commit, few enough to stay small.
CARRIERS = 32

#: Seconds in which a carrier that is cancelled ends: twice what a command gets for that. One whose
#: module will not let it is left behind.
LATE_SECONDS = 4.0

#: Messages that wait for a turn and have another carrier stand in for theirs; more would be one
#: person's flood, whom the limits meet first, and each of them is kept in memory.
STAND_INS = 256


class Crew:
    """Hands each name that is offered to a carrier, which does `carry` with it.

    A carrier goes when `carry` returns False. Who waits for a turn holds up nobody else.
    """

    def __init__(self, carry: Callable[[str], Awaitable[bool]]) -> None:
        self._carry = carry
        self._names: asyncio.Queue[str | None] = asyncio.Queue()
        self._carriers: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._in_line = 0
        self._ending = False
        self._seen: dict[str, asyncio.Future[None]] = {}

    @property
    def waiting(self) -> int:
        """Names that no carrier has in hand."""
        return self._names.qsize()

    @property
    def carriers(self) -> Collection[asyncio.Task[None]]:
        """The carriers there are just now."""
        return frozenset(self._carriers)

    def start(self) -> None:
        """Begin to carry, in the running loop."""
        for _ in range(CARRIERS):
            self._hire()

    async def stop(self, seconds: float) -> None:
        """Finish what is in hand within some seconds; what waits stays where it is."""
        self._ending = True
        while not self._names.empty():
            self._names.get_nowait()
            self._names.task_done()
        carriers = self.carriers
        for _ in carriers:
            self._names.put_nowait(None)
        if not carriers:
            return  # a house that did not open
        _, late = await asyncio.wait(carriers, timeout=seconds)
        for carrier in late:
            carrier.cancel()
        if late:
            await asyncio.wait(late, timeout=LATE_SECONDS)

    def offer(self, name: str) -> None:
        """One more to be carried."""
        self._names.put_nowait(name)

    async def see_through(self, name: str) -> None:
        """Carry one; returns once that is over."""
        over = self._seen[name] = asyncio.get_running_loop().create_future()
        self._names.put_nowait(name)
        await over

    async def idle(self) -> None:
        """Return once nothing waits and nothing is in hand."""
        await self._names.join()

    @asynccontextmanager
    async def turn(self, person: str) -> AsyncIterator[None]:
        """The turn of a person, in the order in which it was asked for."""
        turn = self._turns.setdefault(person, asyncio.Lock())
        self._in_line += 1
        try:
            if turn.locked() and not self._ending and len(self._carriers) < CARRIERS + STAND_INS:
                self._hire()
            await turn.acquire()
        finally:
            self._in_line -= 1
        try:
            yield
        finally:
            turn.release()

    def _hire(self) -> None:
        carrier = asyncio.create_task(self._work(), name="carrier")
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)

    async def _work(self) -> None:
        while (name := await self._names.get()) is not None:
            try:
                if not await self._carry(name):
                    return
            finally:
                self._names.task_done()
                over = self._seen.pop(name, None)
                if over is not None and not over.done():
                    over.set_result(None)
            if len(self._carriers) > CARRIERS + self._in_line and not self._ending:
                return
