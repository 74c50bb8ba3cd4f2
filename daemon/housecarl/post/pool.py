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
        self._kept: list[tuple[Dialogue, asyncio.TimerHandle]] = []
        self._lent: set[Dialogue] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    async def borrow(self) -> tuple[Dialogue, bool]:
        """A connection, and whether it is new; raises ServiceFault when none can be had."""
        while self._kept:
            dialogue, timer = self._kept.pop()
            timer.cancel()
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
        timer = asyncio.get_running_loop().call_later(self._bounds.idle, self._retire, dialogue)
        self._kept.append((dialogue, timer))

    def abort(self) -> None:
        """End every connection at once."""
        for dialogue, timer in self._kept:
            timer.cancel()
            dialogue.transport.abort()
        for dialogue in self._lent:
            dialogue.transport.abort()
        self._kept.clear()

    async def close(self) -> None:
        """Say goodbye on the kept connections, seconds at most, and end the rest."""
        for dialogue, _ in list(self._kept):
            self._retire(dialogue)
        if self._leaving:
            await asyncio.wait(self._leaving)
        self.abort()

    def _retire(self, dialogue: Dialogue) -> None:
        for one in [one for one in self._kept if one[0] is dialogue]:
            one[1].cancel()
            self._kept.remove(one)
        task = asyncio.get_running_loop().create_task(dialogue.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
