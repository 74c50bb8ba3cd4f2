"""Retention: old messages and entries go, by age and size, once a day and out of the way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from housecarl.clock import Clock
from housecarl.config import Config, Keep
from housecarl.journal import Database, past
from housecarl.spool import State

log = structlog.get_logger()

#: Seconds after the start until the first sweep: a start has better things to do.
FIRST_SECONDS = 3600.0
EVERY_SECONDS = 86400.0

#: The share of all messages that goes at once when the journal is too large.
SHARE = 0.1

#: Folders that are swept; what waits is never touched.
_SWEPT = (State.EXECUTED, State.REFUSED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Sweeps spool and journal as the configuration says."""

    config: Config
    db: Database
    clock: Clock

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self) -> None:
        """Remove what is over its age or its size, oldest first."""
        now = self.clock.now().timestamp()
        kept = self.config.retention
        for state in _SWEPT:
            keep: Keep = getattr(kept, state.value)
            root = self.config.spool / state
            gone = await asyncio.to_thread(sweep_folder, root, keep.age, keep.size, now)
            if gone:
                log.info("swept", folder=state.value, files=gone)
        await self._sweep_journal(now)

    async def _sweep_journal(self, now: float) -> None:
        keep = self.config.retention.journal
        remember = max(self.config.trust.remember, self.config.trust.max_age)
        await self._forget(now - keep.age)
        await self.db.write(
            lambda conn: past.forget_rest(conn, now - keep.age, now - max(remember, keep.age))
        )
        while await self.db.read(past.used_bytes) > keep.size:
            before = await self.db.read(lambda conn: past.oldest(conn, SHARE))
            if before is None or not await self._forget(before):
                return

    async def _forget(self, before: float) -> int:
        """Forget in small transactions, so that no message waits for long."""
        whole = 0
        while gone := await self.db.write(lambda conn: past.forget(conn, before)):
            whole += gone
        if whole:
            log.info("forgotten", messages=whole)
        return whole


def sweep_folder(root: Path, age: float, size: int, now: float) -> int:
    """Remove files older than `age` seconds, then the oldest beyond `size` bytes."""
    found = []
    for path in root.rglob("*.eml"):
        with suppress(FileNotFoundError):
            about = path.stat()
            found.append((about.st_mtime, about.st_size, path))
    found.sort(reverse=True)
    gone, total = 0, 0
    for written, length, path in found:
        total += length
        if now - written > age or total > size:
            path.unlink(missing_ok=True)
            gone += 1
    for folder in root.iterdir():
        if folder.is_dir():
            with suppress(OSError):  # not empty
                folder.rmdir()
    return gone
