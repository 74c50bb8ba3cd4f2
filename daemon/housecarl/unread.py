"""Unread messages: those whose files the disk does not give, as `status` shows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unread:
    """Shows each until it can be read or is gone; a start finds anew which are left."""

    tell: Callable[[str, bool, str], Awaitable[None]]
    _names: set[str] = field(default_factory=set)

    async def note(self, name: str, why: str) -> None:
        """This one waits in work/."""
        self._names.add(name)
        await self.tell(f"spool.{name}", False, f"{name} waits in work/ and is tried again: {why}")

    async def clear(self, name: str) -> None:
        """This one does not wait for its file."""
        if name in self._names:
            self._names.discard(name)
            await self.tell(f"spool.{name}", True, f"{name} waits no more")
