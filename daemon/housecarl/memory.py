"""What the mailbox door remembers from one life to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from housecarl.house import House
from housecarl.means import JournalStore

#: Whose values in the journal they are; no module has such a name.
IMAP = "_imap"


class Memory:
    """Values in the journal of whichever house is open; `house` raises StorageError for none."""

    def __init__(self, house: Callable[[], House]) -> None:
        self._house = house

    async def get(self, key: str) -> Any:
        """The value of a key, None when there is none; StorageError between two houses."""
        return await self._store().get(key)

    async def put(self, key: str, value: Any) -> None:
        """Keep a JSON value; StorageError between two houses."""
        await self._store().set(key, value)

    def _store(self) -> JournalStore:
        house = self._house()
        return JournalStore(house.db, IMAP, house.clock)
