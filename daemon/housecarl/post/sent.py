"""Notes that replies were taken, many in one commit; nobody waits for them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from housecarl.clock import Clock
from housecarl.journal import Database, replies


class Sent:
    """What the smarthost took and the journal does not know yet.

    A crash before the note sends such a reply again, with the same Message-ID: the guarantee's
    "at least once". `noted` is called with the ids of each commit, or with the error.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        noted: Callable[[list[int], BaseException | None], None],
    ) -> None:
        self.pending: set[int] = set()
        self._database = database
        self._clock = clock
        self._noted = noted
        self._fresh: list[int] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, reply: int) -> None:
        """The smarthost has this reply."""
        self.pending.add(reply)
        self._fresh.append(reply)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._note(), name="post note")

    async def settle(self) -> None:
        """Wait until everything is noted."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _note(self) -> None:
        while self._fresh:
            ids, self._fresh = self._fresh, []
            try:
                await self._database.write(self._write(ids))
            except Exception as error:  # noqa: BLE001 - handed to who owns the post
                self._noted(ids, error)
                return
            self.pending.difference_update(ids)
            self._noted(ids, None)

    def _write(self, ids: list[int]) -> Callable[[sqlite3.Connection], None]:
        at = self._clock.now().timestamp()
        return lambda conn: replies.sent(conn, ids, at)
