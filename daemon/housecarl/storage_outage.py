"""An outage of the storage: how long it lasts, also when it only seems to be over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

#: Seconds within which a fault after an outage is the same one: it was not over. One that comes by
#: itself, such as a folder that takes no file, is met while the last life is taken up.
RELAPSE_SECONDS = 10.0


@dataclass(slots=True)
class StorageOutage:
    """Counts the tries of one outage; a relapse goes on where it was."""

    _began: float = 0.0
    _tries: int = 0
    _ended: float = -inf  #: inf while it lasts

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return time.monotonic() - self._began

    def begin(self) -> None:
        """A fault was met; one that lasts, as over a reload, goes on."""
        now = time.monotonic()
        if now - self._ended > RELAPSE_SECONDS:
            self._began, self._tries = now, 0
        self._ended = inf

    def end(self) -> None:
        """The house is open again, or as ever."""
        if self._ended == inf:
            self._ended = time.monotonic()

    async def rest(self, pauses: Sequence[float], *news: asyncio.Event) -> None:
        """Until the next try, or until some news; the last of `pauses`, in seconds, repeats."""
        seconds = pauses[min(self._tries, len(pauses) - 1)]
        self._tries += 1
        waits = [asyncio.create_task(each.wait()) for each in news]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
