"""The crew: carriers for what waits, and more of them while some wait for a person's turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

#: Messages carried at once: enough to fill a commit, few enough to stay small.
CARRIERS = 32

#: Seconds in which a carrier that is cancelled ends: twice what a command gets for that. One whose
#: module will not let it is left behind.
LATE_SECONDS = 4.0

#: Messages that wait for a turn and have another carrier stand in for theirs; more would be one
#: person's flood, whom the limits meet first, and each of them is kept in memory.
STAND_INS = 256

#: Seconds for which a change lets those go first that were offered before it: the file of one is
#: read, the owner of another looked up, while that of a third hangs, which nobody waits for.
ORDER_SECONDS = 2.0


class Crew:
    """Hands each name that is offered to a carrier, which does `carry` with it.

    A carrier goes when `carry` returns False. Who waits for a turn holds up nobody else.
    """

    def __init__(self, carry: Callable[[str], Awaitable[bool]]) -> None:
        self._carry = carry
        self._names: asyncio.Queue[str | None] = asyncio.Queue()
        self._carriers: set[asyncio.Task[Any]] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._in_line = 0
        self._ending = False
        self._seen: dict[str, asyncio.Future[None]] = {}
        #: the carriers whose name has not come to its turn yet, in the order of the names, each
        #: with what is done once none is before it
        self._before: dict[asyncio.Task[Any] | None, asyncio.Future[None]] = {}

    @property
    def waiting(self) -> int:
        """Names that no carrier has in hand."""
        return self._names.qsize()

    @property
    def carriers(self) -> Collection[asyncio.Task[Any]]:
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
    async def turn(self, person: str | None) -> AsyncIterator[None]:
        """The turn of a person, in the order in which the names were offered; None needs none."""
        carrier = asyncio.current_task()
        if person is None:
            self._come(carrier)
            yield
            return
        turn = self._turns.setdefault(person, asyncio.Lock())
        self._in_line += 1
        try:
            waits = turn.locked() or self._has_earlier(carrier)
            if waits and not self._ending and len(self._carriers) < CARRIERS + STAND_INS:
                self._hire()
            if self._has_earlier(carrier):
                await asyncio.wait((self._before[carrier],), timeout=ORDER_SECONDS)
            self._come(carrier)
            await turn.acquire()
        finally:
            self._in_line -= 1
        try:
            yield
        finally:
            turn.release()

    def _has_earlier(self, carrier: asyncio.Task[Any] | None) -> bool:
        """Whether one that was offered before has not come to its turn yet."""
        first = self._before.get(carrier)
        return first is not None and not first.done()

    def _come(self, carrier: asyncio.Task[Any] | None) -> None:
        """What a carrier has in hand has come to its turn, or needs none."""
        self._before.pop(carrier, None)
        self._tell_first()

    def _tell_first(self) -> None:
        """Wake the one before which there is none any more: it alone has something to do."""
        first = next(iter(self._before.values()), None)
        if first is not None and not first.done():
            first.set_result(None)

    def _hire(self) -> None:
        carrier = asyncio.create_task(self._work(), name="carrier")
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)

    async def _work(self) -> None:
        carrier = asyncio.current_task()
        assert carrier is not None
        while (name := await self._names.get()) is not None:
            self._before[carrier] = asyncio.get_running_loop().create_future()
            self._tell_first()
            try:
                if not await self._carry(name):
                    return
            finally:
                self._come(carrier)
                self._names.task_done()
                over = self._seen.pop(name, None)
                if over is not None and not over.done():
                    over.set_result(None)
            if len(self._carriers) > CARRIERS + self._in_line and not self._ending:
                # at once: others that are over at this moment must not go for the same reason
                self._carriers.discard(carrier)
                return
