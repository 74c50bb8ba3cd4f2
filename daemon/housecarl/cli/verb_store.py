"""A module's small values in the journal, as a verb reads and writes them without a house."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from housecarl.cli import journal
from housecarl.journal import values

if TYPE_CHECKING:
    from housecarl.config_file import Loaded


@dataclass(frozen=True, slots=True)
class VerbStore:
    """What `call.store` is for a command; each write is on the disk when it returns."""

    loaded: Loaded
    module: str

    def read(self, key: str) -> Any:
        """The value of a key; None without one, or without a journal."""
        if not journal.may_read(self.loaded.config.spool):
            return None
        return journal.read(self.loaded, lambda conn: values.get(conn, self.module, key))

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, else `default`."""
        value = await asyncio.to_thread(self.read, key)
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value; None removes it."""
        now = time.time()
        await asyncio.to_thread(
            journal.write, self.loaded, lambda conn: values.put(conn, self.module, key, value, now)
        )

    async def take(self, key: str, value: Any, instead_of: Any = None) -> bool:
        """Store a JSON value if the key holds `instead_of` (None: nothing); else False."""
        now = time.time()
        return await asyncio.to_thread(
            journal.write,
            self.loaded,
            lambda conn: values.take(conn, self.module, key, value, now, instead_of),
        )
