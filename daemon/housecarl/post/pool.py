"""The kept connections to the smarthost: borrowed, given back, closed when nobody needs them."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from housecarl.config_post import Post as Settings
from housecarl.post.dialogue import DEADLINE, VERDICT, Dialogue
from housecarl.post.smarthost import connect


class Bounds(NamedTuple):
    """Limits in seconds and connections; tests make them small."""

    #: A connection and its login, and all that is said before a mail.
    deadline: float = DEADLINE
    #: The answer to a mail that was handed in whole.
    verdict: float = VERDICT
    #: A connection nobody needed is closed: earlier than any smarthost would, and no wake-ups.
    idle: float = 20.0
    #: What one house may hold open at a smarthost at once.
    connections: int = 4
    #: What a stop waits for the mails being handed in.
    grace: float = 5.0


class Pool:
    """Connections by the config; one given back and unused for `bounds.idle` seconds is closed."""

    def __init__(self, settings: Settings, bounds: Bounds) -> None:
        self._settings = settings
        self._bounds = bounds
        #: with the loop's time since when each is idle, the longest first
        self._kept: list[tuple[Dialogue, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lent: set[Dialogue] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    async def borrow(self) -> tuple[Dialogue, bool]:
        """A connection, and whether it is new; raises ServiceFault when none can be had."""
        while self._kept:
            dialogue, _ = self._kept.pop()
            if dialogue.usable:
                self._lent.add(dialogue)
                return dialogue, False
            dialogue.transport.abort()
        dialogue = await connect(self._settings, self._bounds.deadline)
        self._lent.add(dialogue)
        return dialogue, True

    def give_back(self, dialogue: Dialogue) -> None:
        """Keep it for the next mail, unless it is of no use any more."""
        self._lent.discard(dialogue)
        if not dialogue.usable:
            dialogue.transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._kept.append((dialogue, loop.time()))
        if self._timer is None:
            self._timer = loop.call_later(self._bounds.idle, self._look)

    def abort(self) -> None:
        """End every connection at once."""
        for dialogue in [*(dialogue for dialogue, _ in self._kept), *self._lent]:
            dialogue.transport.abort()
        self._kept.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self) -> None:
        """Say goodbye on the kept connections, seconds at most, and end the rest."""
        while self._kept:
            self._retire()
        if self._leaving:
            await asyncio.wait(self._leaving)
        self.abort()

    def _look(self) -> None:
        """Retire what nobody needed for so long; look again when the next is due."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._kept:
            due = self._kept[0][1] + self._bounds.idle
            if due > loop.time():
                self._timer = loop.call_at(due, self._look)
                return
            self._retire()

    def _retire(self) -> None:
        """Say goodbye on the connection that is idle longest."""
        dialogue, _ = self._kept.pop(0)
        task = asyncio.get_running_loop().create_task(dialogue.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
