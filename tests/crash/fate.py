"""Fate: what strikes a life at its n-th durable operation, and barriers that can be left out."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.power import Power, leave_out_sync

from housecarl import daemon as daemon_module
from housecarl import renames
from housecarl.daemon import Daemon
from housecarl.doors import drop
from housecarl.journal import Database
from housecarl.judge import Case
from housecarl.record import Done, Record
from housecarl.spool import State

#: Messages that are filed before their outcome is written: only with that barrier left out.
LATE: dict[str, Callable[[], object]] = {}

#: Seconds a barrier that is left out waits for what it left out.
PATIENCE = 20.0

#: Seconds between two tries of a house whose disk fails: a life in a test lasts a tenth of one.
AGAIN = 0.02

#: Moments to be struck between the filing and its outcome where that barrier is left out: what is
#: told from the journal leaves one loss to be found, and lives differ by a few operations.
BETWEEN = 8


class Fate:
    """Counts durable operations and strikes at the n-th.

    Without an `error` it kills. With one the operation fails, and so does each other that comes
    within `lasts` seconds of it; then the fault is gone.
    """

    def __init__(self, at: int | None, error: int = 0, lasts: float = 0.0) -> None:
        self.at, self.error, self.lasts = at, error, lasts
        self.count = 0
        self.failed = 0
        self.power: Power | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def tick(self) -> None:
        """One durable operation is about to begin; OSError when it shall fail."""
        with self._lock:
            self.count += 1
            first = self.count == self.at
            if first and not self.error:
                self._kill()
            if first:
                self._until = time.monotonic() + self.lasts
            if first or time.monotonic() < self._until:
                self.failed += 1
                raise OSError(self.error, os.strerror(self.error))

    def _kill(self) -> None:
        if self.power is not None:
            self.power.cut()
        os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with fate before it."""

        def struck(*args: Any, **named: Any) -> Any:
            self.tick()
            return function(*args, **named)

        return struck


class Struck:
    """A connection whose commits fail as on a bad disk: before they are written, or after.

    A sync that fails tells of an error while the write-ahead log may hold the whole commit.
    """

    def __init__(self, conn: sqlite3.Connection, fate: Fate) -> None:
        self._conn, self._fate = conn, fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """As the connection does it, unless it is a commit that is struck."""
        if sql != "COMMIT":
            return self._conn.execute(sql, *values)
        self._tick()
        cursor = self._conn.execute(sql)
        self._tick()
        return cursor

    def _tick(self) -> None:
        try:
            self._fate.tick()
        except OSError as error:
            raise sqlite3.OperationalError(f"disk I/O error: {error.strerror}") from error


def curse(fate: Fate, omit: str, daemon: Daemon) -> None:
    """Put fate before every durable operation of this process; leave out one barrier if asked."""
    for name in ("fsync", "rename", "unlink"):
        setattr(os, name, fate.wrap(getattr(os, name)))
    commit = Database._commit

    def struck(self: Database, conn: Any, group: Any) -> None:
        if fate.error:
            commit(self, Struck(conn, fate), group)  # type: ignore[arg-type]
            return
        fate.tick()
        commit(self, conn, group)
        fate.tick()

    Database._commit = struck  # type: ignore[method-assign]
    daemon_module.BACK_OFF = (AGAIN,)  # type: ignore[assignment]
    drop.AGAIN_SECONDS = AGAIN
    if omit == "accept":
        leave_out_sync()
    if omit == "claim":
        leave_out_claim()
    if omit == "result":
        leave_out_result(fate, daemon)


def leave_out_claim() -> None:
    """A change begins with no word about it in the journal."""

    async def unclaimed(*_: Any) -> None:
        return None

    Record.claim = unclaimed  # type: ignore[assignment,method-assign]


def leave_out_result(fate: Fate, daemon: Daemon) -> None:
    """A message is filed first, and its outcome and reply are committed a while after that."""
    conclude, rename = Record.conclude, renames._rename

    async def later(self: Record, case: Case, file: str, done: Done) -> tuple[State, None]:
        loop = asyncio.get_running_loop()

        async def write() -> None:
            _, reply = await conclude(self, case, file, done)
            if daemon.house is not None:
                daemon.house.send(reply)

        LATE[file] = lambda: asyncio.run_coroutine_threadsafe(write(), loop).result(PATIENCE)
        return State.EXECUTED, None

    def renamed(here: str, there: str) -> None:
        rename(here, there)
        name = Path(there).name
        if f"/{State.EXECUTED}/" in there and name in LATE:
            for _ in range(BETWEEN):
                fate.tick()
            LATE[name]()
            del LATE[name]

    Record.conclude = later  # type: ignore[assignment,method-assign]
    renames._rename = renamed
