"""The intake: messages into the spool, and whether the spool takes them just now."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from housecarl.disk import try_way
from housecarl.doors.door import Tell
from housecarl.errors import StorageError
from housecarl.message.stamp import Stamp
from housecarl.room import see_room
from housecarl.spool import Spool, State

#: The name under which `status` shows it; forgotten at a start.
NAME = "spool.put"

#: Seconds between two looks while it does not: a look writes one byte.
AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class Intake:
    """Puts messages; a fault is told once, and looked at until it is gone, whoever sends or not."""

    spool: Spool
    tell: Tell
    again: float = AGAIN_SECONDS
    _looking: asyncio.Task[None] | None = field(init=False, default=None)
    _why: str = field(init=False, default="")

    async def put(self, raw: bytes, stamp: Stamp) -> str:
        """As `Spool.put`, with its errors."""
        try:
            return await self.spool.put(raw, stamp)
        except StorageError as error:
            self._begin(error)
            raise

    def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self, error: StorageError) -> None:
        self._why = str(error)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="intake")

    async def _look(self) -> None:
        """Tell what is wrong, and that it is over once it is and somebody hears that."""
        while self._why:
            await self._tell_trouble()
            await asyncio.sleep(self.again)
            self._why = ""
            try:
                await self.spool.ask(self._try)
                await self.tell(NAME, True, "messages are taken again")
            except StorageError as error:
                self._why = str(error)
        self._looking = None

    async def _tell_trouble(self) -> None:
        with suppress(StorageError):  # the journal is on the same disk, often
            await self.tell(NAME, False, f"no message is taken: {self._why}")

    def _try(self) -> None:
        """One byte by the way of a message; raises OSError, SpoolFull."""
        root = self.spool.root
        self.spool.forget()
        see_room(root, self.spool.reserve)
        try_way(root / "tmp", root / State.NEW)
