"""The bridge from the mailbox's thread into the event loop: storing, remembering, the time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import structlog

from housecarl.clock import Clock
from housecarl.doors.door import Deliver
from housecarl.message.stamp import Stamp

T = TypeVar("T")

log = structlog.get_logger()


class Memory(Protocol):
    """Small JSON values that outlive the process."""

    async def get(self, key: str) -> Any:
        """The value of a key, None when there is none; raises StorageError."""
        ...

    async def put(self, key: str, value: Any) -> None:
        """Keep a value; raises StorageError."""
        ...


class Stopped(Exception):
    """The door is being closed."""


class Bridge:
    """Calls into `loop` from one other thread, each of which blocks until it is done."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: Deliver, memory: Memory, clock: Clock
    ) -> None:
        self._loop = loop
        self._deliver = deliver
        self._memory = memory
        self._clock = clock
        self.stopping = threading.Event()

    def now(self) -> datetime:
        """The daemon's time."""
        return self._clock.now()

    def deliver(self, letters: Sequence[tuple[bytes, Stamp]]) -> list[bool]:
        """Store all of these at once, in their order; which of them are safe."""
        return self.ask(self._deliver_all(letters))

    def recall(self, key: str) -> Any:
        """What was kept under a key; raises StorageError."""
        return self.ask(self._memory.get(key))

    def keep(self, key: str, value: Any) -> None:
        """Keep a value; raises StorageError."""
        self.ask(self._memory.put(key, value))

    def ask(self, what: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it. Raises Stopped once the door closes."""
        if self.stopping.is_set() or self._loop.is_closed():
            what.close()
            raise Stopped
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _deliver_all(self, letters: Sequence[tuple[bytes, Stamp]]) -> list[bool]:
        results = await asyncio.gather(
            *(self._deliver(raw, stamp) for raw, stamp in letters), return_exceptions=True
        )
        return [self._is_safe(result) for result in results]

    def _is_safe(self, result: str | BaseException) -> bool:
        """Whether a message was stored; else it stays in the mailbox and is tried again."""
        if isinstance(result, BaseException):
            log.error("imap-put-off", why=str(result), fault=type(result).__name__)
            return False
        return True
