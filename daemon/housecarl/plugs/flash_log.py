"""What is written down about a flash, so that after a crash the truth can be told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from housecarl import life

#: the key under which the one flash is kept
KEY = "flash"
#: the key under which the last one that ended is kept, with its outcome
LAST = "flash.last"

#: when the flashes began that this process works on: it may live on after one of them was cut off
_here: set[float] = set()


class Unfinished(NamedTuple):
    """A flash whose end was never written down; `live` while its process still works on it.

    `receipt` is the id of the message that asked for it, `mac` and `on` how the plug was before,
    `host` and `port` where it is, where that was noted; `last` is the last step and `at` its time.
    """

    plug: str
    target: str
    started: float
    last: str
    live: bool
    receipt: str = ""
    mac: str = ""
    on: bool | None = None
    at: float = 0.0
    host: str = ""
    port: int = 0

    @property
    def ordered(self) -> bool:
        """Whether the plug may have been told to write."""
        return self.last in ("commit", "flashing", "back", "relay", "meter")


def found(row: Mapping[str, Any]) -> list[Unfinished]:
    """What the row says, which is empty when no flash is open."""
    if not row:
        return []
    steps = row["steps"] or [["claim", "", row["started"]]]
    return [
        Unfinished(
            row["plug"],
            str(row.get("target", "")),
            float(row["started"]),
            str(steps[-1][0]),
            row["started"] in _here if life.ours(row) else life.runs(row),
            str(row.get("receipt", "")),
            str(row.get("mac", "")),
            row.get("on"),
            float(steps[-1][2]),
            str(row.get("host", "")),
            int(row.get("port", 0)),
        )
    ]


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

    async def take(self, key: str, value: Any, instead_of: Any = None) -> bool:
        """Store a JSON value if the key holds `instead_of` (None: nothing); else False."""
        ...


class StoreLog:
    """A flash log in a module's store: one row, so that there is one flash at a time."""

    def __init__(self, store: KeyValue) -> None:
        self._store = store
        #: the row as it stands in the store: our own, or the one that was found there
        self._row: dict[str, Any] = {}

    async def claim(self, plug: str, facts: Mapping[str, Any]) -> bool:
        """Take the row when it is free: one flash at a time over all processes.

        Who is cut off here works on none, though the row may have been taken.
        """
        row = {**facts, "plug": plug, **life.mark(), "started": time.time(), "steps": []}
        _here.add(row["started"])
        try:
            if await self._store.take(KEY, row):
                self._row = row
        finally:
            if self._row is not row:
                _here.discard(row["started"])
        return self._row is row

    async def step(self, name: str, detail: str = "") -> None:
        """Add one line to the row."""
        before = self._row
        step = [name, detail, round(time.time(), 3)]
        self._row = {**before, "steps": [*before["steps"], step]}
        await self._store.take(KEY, self._row, instead_of=before)

    async def finish(self, outcome: str, *, done: bool = False) -> None:
        """Free the row, if it is still the one we know; the last flash is kept beside it."""
        row = self._row or await self._store.get(KEY, {})
        await self._store.set(LAST, {**row, "outcome": outcome, "done": done})
        await self._store.take(KEY, None, instead_of=row)
        self.leave()

    def leave(self) -> None:
        """This process works on its flash no more, whether it ended or was cut off."""
        _here.discard(self._row.get("started", 0.0))

    async def unfinished(self) -> list[Unfinished]:
        """The row, when there is one."""
        row = self._row = await self._store.get(KEY, {})
        return found(row)

    async def told(self, receipt: str) -> str | None:
        """How the last flash ended, when that message asked for it."""
        last = await self._store.get(LAST, {})
        return str(last["outcome"]) if receipt and last.get("receipt") == receipt else None
