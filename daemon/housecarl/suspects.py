"""Messages in hand when one life after the other ended: carried alone, and given up in the end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from housecarl.errors import StorageError
from housecarl.journal import Database, values
from housecarl.parked import Answered

#: Under which name, and which keys, the journal keeps what the last start found, which of these is
#: carried alone, and which is given up for which time.
OWN, LEFT, ALONE, OVER = "_suspects", "left", "alone", "over"

#: Of what a start finds the first may have been in hand: more than are at once.
MOST = 500

#: Lives that may end while the sender is looked for of one that is given up, who is to be told:
#: that may be what ends them, or a power cut.
ASKS = 3


@dataclass(slots=True)
class Suspects:
    """A command that only looks is run again after a crash, and may be what ends the daemon.

    What a life that was killed had found at its start, and left, is carried one by one, each noted
    before: which one ends the daemon then, too, is given up. `carry` and `give_up` are the
    worker's: each returns what a message waits for for which DNS takes its time.
    """

    db: Database
    carry: Callable[[str], Awaitable[Answered | None]]
    give_up: Callable[[str, bool], Awaitable[Answered | None]]
    _one_by_one: list[str] = field(default_factory=list)
    _over: dict[str, int] = field(default_factory=dict)
    _answers: list[Answered] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether `run` has anything to do."""
        return bool(self._over or self._one_by_one)

    async def sort(self, names: Sequence[str], *, killed: bool) -> list[str]:
        """Of what was not begun in the last life, oldest first, that which nobody suspects.

        One that was not `killed`, but ended by itself or goes on, was ended by no message.
        """
        kept = await self.db.read(lambda conn: values.everything(conn, OWN))
        if killed:
            over = {str(kept.get(ALONE)): 0}
            match kept.get(OVER):
                case [str(name), int(asked)]:
                    over[name] = asked
            self._over = {name: asked for name, asked in over.items() if name in names}
            before = frozenset(kept.get(LEFT) or ()) - over.keys()
            self._one_by_one = [name for name in names if name in before]
        if names or kept:
            await self._note({**dict.fromkeys(kept), LEFT: [*names[:MOST]] or None})
        suspected = {*self._over, *self._one_by_one}
        return [name for name in names if name not in suspected]

    async def run(self) -> None:
        """Give up what has to be, then carry the others one after the other, each once.

        Those for which DNS takes its time are left to the next call, which waits for that.
        """
        if self._answers:
            await asyncio.wait(self._answers)
        over, one_by_one = self._over, self._one_by_one
        self._over, self._one_by_one, self._answers = {}, [], []
        for name, asked in over.items():
            give_up = partial(self.give_up, name, asked < ASKS)
            if await self._waits(name, give_up, OVER, [name, asked + 1]):
                self._over[name] = asked
        for name in one_by_one:
            if await self._waits(name, partial(self.carry, name), ALONE, name):
                self._one_by_one.append(name)

    async def _waits(
        self, name: str, work: Callable[[], Awaitable[Answered | None]], key: str, note: Any
    ) -> bool:
        """Do it while it is noted; whether it is to be done again, once DNS has answered."""
        await self._note({key: note})
        try:
            answered = await work()
        finally:  # a stop is not its fault
            await self._note({key: None})
        if answered is not None:
            self._answers.append(answered)
        return answered is not None

    async def _note(self, kept: dict[str, Any]) -> None:
        def write(conn: sqlite3.Connection) -> None:
            for key, value in kept.items():
                values.put(conn, OWN, key, value, 0.0)

        with suppress(StorageError):  # the worker meets it too
            await self.db.write(write)
