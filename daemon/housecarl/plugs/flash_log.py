"""What is written down about a flash, so that after a crash the truth can be told."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

#: the key under which the one flash is kept
KEY = "flash"
#: the key under which the last one that ended is kept, with its outcome
LAST = "flash.last"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A flash whose end was never written down; `live` while its process still works on it."""

    plug: str
    running: str
    target: str
    auto: bool
    started: float
    last: str
    live: bool

    @property
    def ordered(self) -> bool:
        """Whether the plug may have been told to write."""
        return self.last in ("commit", "flashing", "back", "relay", "meter")


class FlashLog(Protocol):
    """Where a flash is written down; each call is durable on return."""

    async def claim(self, plug: str, facts: Mapping[str, Any]) -> bool:
        """Begin; False when another flash is not finished."""
        ...

    async def step(self, name: str, detail: str = "") -> None:
        """What is about to be done."""
        ...

    async def finish(self, outcome: str, *, done: bool = False) -> None:
        """The end, as it was told; `done` when the plug runs what it should."""
        ...

    async def unfinished(self) -> list[Unfinished]:
        """Flashes begun and not finished."""
        ...


class KeyValue(Protocol):
    """The part of a module's store that is needed here."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value; None removes it."""

    async def take(self, key: str, value: Any) -> bool:
        """Store a JSON value unless the key has one; False when it has."""
        ...


class StoreLog:
    """A flash log in a module's store: one row, so that there is one flash at a time."""

    def __init__(self, store: KeyValue) -> None:
        self._store = store
        self._row: dict[str, Any] = {}

    async def claim(self, plug: str, facts: Mapping[str, Any]) -> bool:
        """Take the row when it is free: one flash at a time over all processes."""
        self._row = {
            **facts,
            "plug": plug,
            "pid": os.getpid(),
            "born": _born(os.getpid()),
            "started": time.time(),
            "steps": [],
        }
        return await self._store.take(KEY, self._row)

    async def step(self, name: str, detail: str = "") -> None:
        """Add one line to the row."""
        self._row["steps"].append([name, detail, round(time.time(), 3)])
        await self._store.set(KEY, self._row)

    async def finish(self, outcome: str, *, done: bool = False) -> None:
        """Free the row; the last flash is kept beside it."""
        row = self._row or await self._store.get(KEY, {})
        await self._store.set(LAST, {**row, "outcome": outcome, "done": done})
        await self._store.set(KEY, None)

    async def unfinished(self) -> list[Unfinished]:
        """The row, when there is one."""
        row = await self._store.get(KEY)
        if not row:
            return []
        steps = row["steps"]
        return [
            Unfinished(
                row["plug"],
                str(row.get("running", "")),
                str(row.get("target", "")),
                bool(row.get("auto")),
                float(row["started"]),
                steps[-1][0] if steps else "claim",
                _born(row["pid"]) == row["born"],
            )
        ]


def _born(pid: int) -> float:
    """When a process began, seconds since 1970; 0.0 when there is none. Tells a reused number."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
