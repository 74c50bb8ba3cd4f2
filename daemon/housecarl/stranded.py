"""Stranded messages: those that stay in work/ and nobody has in hand, as `status` shows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from housecarl.message.name import id_of

log = structlog.get_logger()

#: The name under which `status` shows that one waits for a restart; forgotten at a start.
STUCK = "worker"


@dataclass(frozen=True, slots=True)
class Stranded:
    """Shows each until it is carried or gone; a start finds anew which are left."""

    tell: Callable[[str, bool, str], Awaitable[None]]
    _unread: set[str] = field(default_factory=set)

    async def unread(self, name: str, why: str) -> None:
        """The disk does not give its file: it is tried again."""
        self._unread.add(name)
        await self.tell(f"spool.{name}", False, f"{name} waits in work/ and is tried again: {why}")

    async def found(self, name: str) -> None:
        """Its file was read, or is gone."""
        if name in self._unread:
            self._unread.discard(name)
            await self.tell(f"spool.{name}", True, f"{name} waits no more")

    async def stuck(self, name: str) -> None:
        """We broke on it, and again when that was to be noted: logs the exception at hand."""
        log.exception("not-carried", id=id_of(name)[:4], file=name)
        text = f"{name} could not be carried: it waits in work/ for a restart, the log says why"
        with suppress(Exception):
            await self.tell(STUCK, False, text)
