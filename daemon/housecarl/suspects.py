"""Messages in hand when one life after the other ended: carried alone, and given up in the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from housecarl import life
from housecarl.errors import StorageError
from housecarl.journal import Database, values
from housecarl.message.name import id_of

log = structlog.get_logger()

#: Under which name, and which keys, the journal keeps which process started last, what it found,
#: which of these is carried alone, and which is given up.
OWN, LIFE, LEFT, ALONE, OVER = "_suspects", "life", "left", "alone", "over"

#: Of what a start finds the first may have been in hand: more than are at once.
MOST = 500


@dataclass(slots=True)
class Suspects:
    """A command that only looks is run again after a crash, and may be what ends the daemon.

    What two processes in a row find at their start is carried one by one, each noted before: which
    one ends the daemon then, too, is given up. `carry` and `give_up` are the worker's.
    """

    db: Database
    carry: Callable[[str], Awaitable[None]]
    give_up: Callable[[str, bool], Awaitable[None]]
    _one_by_one: list[str] = field(default_factory=list)
    _over: dict[str, bool] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether `run` has anything to do."""
        return bool(self._over or self._one_by_one)

    async def sort(self, names: Sequence[str]) -> list[str]:
        """Of what was not begun in the last life, oldest first, that which nobody suspects."""
        kept = await self.db.read(lambda conn: values.everything(conn, OWN))
        # a house that is opened again after a fault of the disk, or for a reload, did not die of it
        died = not life.ours(kept.get(LIFE) or {})
        if died:
            # whether its sender may be looked for: not when that is what ends us
            over = {str(kept.get(ALONE)): True, str(kept.get(OVER)): False}
            self._over = {name: ask for name, ask in over.items() if name in names}
            before = frozenset(kept.get(LEFT) or ()) - over.keys()
            self._one_by_one = [name for name in names if name in before]
        if names or kept.get(LEFT) or kept.get(ALONE):
            await self._note({LEFT: [*names[:MOST]] or None, ALONE: None, LIFE: life.mark()})
        suspected = {*self._over, *self._one_by_one}
        return [name for name in names if name not in suspected]

    async def run(self) -> None:
        """Give up what has to be, then carry the others one after the other."""
        for name, ask in self._over.items():
            log.error("given-up", id=id_of(name)[:4], file=name)
            await self._note({OVER: name})
            try:
                await self.give_up(name, ask)
            except Exception:
                log.exception("not-given-up", id=id_of(name)[:4], file=name)  # the next start does
        for name in self._one_by_one:
            await self._note({ALONE: name})
            try:
                await self.carry(name)
            finally:  # a stop is not its fault
                await self._note({ALONE: None})

    async def _note(self, kept: dict[str, Any]) -> None:
        def write(conn: sqlite3.Connection) -> None:
            for key, value in kept.items():
                values.put(conn, OWN, key, value, 0.0)

        with suppress(StorageError):  # the worker meets it too
            await self.db.write(write)
