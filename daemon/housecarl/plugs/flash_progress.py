"""How far a flash is, kept in a store for whoever watches it from another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from housecarl.plugs.flash_log import KeyValue

#: the key of [share of the whole from 0 to 1, what is going on]; there while a flash runs
KEY = "flash.progress"
#: seconds between two notes; each is a write to the disk
EVERY = 1.0


@dataclass(slots=True)
class Watched:
    """The newest word of a flash about itself."""

    share: float = 0.0
    doing: str = "starting"

    def note(self, share: float, doing: str) -> None:
        """Take over what the flash says of itself."""
        self.share, self.doing = share, doing


@asynccontextmanager
async def watched(store: KeyValue, every: float = EVERY) -> AsyncIterator[Watched]:
    """Keep what is noted in the store, every so many seconds, as long as the flash runs."""
    now = Watched()

    async def keep() -> None:
        while True:
            await store.set(KEY, [round(now.share, 3), now.doing])
            await asyncio.sleep(every)

    keeping = asyncio.create_task(keep(), name="flash progress")
    try:
        yield now
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await store.set(KEY, None)
