"""Retention: old messages and entries go, by age and size, once a day and out of the way."""

from __future__ import annotations

import asyncio
import heapq
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from housecarl.clock import Clock
from housecarl.config import Config, Keep
from housecarl.errors import StorageError
from housecarl.journal import Database, past
from housecarl.message.name import arrival_of
from housecarl.spool import State

log = structlog.get_logger()

#: Seconds after the start until the first sweep: a start has better things to do.
FIRST_SECONDS = 3600.0
EVERY_SECONDS = 86400.0

#: Files removed for their size after one look through a folder (5,000: about a megabyte of names).
PART = 5000

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
        """Until cancelled; what goes wrong is logged, and tried again the next day."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                await self.sweep()
            except StorageError as error:
                log.warning("sweep-failed", why=str(error))
            except Exception:
                log.exception("sweep-failed")
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self) -> None:
        """Remove what is over its age or its size, oldest first."""
        now = self.clock.now()
        kept = self.config.retention
        for state in _SWEPT:
            keep: Keep = getattr(kept, state.value)
            root = self.config.spool / state
            try:
                gone = await asyncio.to_thread(sweep_folder, root, keep.age, keep.size, now)
            except OSError as error:
                log.warning("sweep-failed", folder=state.value, why=str(error))
                continue
            if gone:
                log.info("swept", folder=state.value, files=gone)
        await self._sweep_journal(now.timestamp())

    async def _sweep_journal(self, now: float) -> None:
        keep = self.config.retention.journal
        remember = self.config.trust.remember
        await self._forget(now - keep.age, now - remember)
        while await self.db.read(past.used_bytes) > keep.size:
            before = await self.db.read(lambda conn: past.oldest(conn, SHARE))
            if before is None or not await self._forget(before, now - remember):
                return

    async def _forget(self, before: float, remember: float) -> int:
        """Forget in small transactions, so that no message waits for long; how much went.

        What says "the same message" stays for as long as a repeat could come.
        """
        messages = rest = 0
        while gone := await self.db.write(lambda conn: past.forget(conn, before)):
            messages += gone
        keys = min(before, remember)
        while gone := await self.db.write(lambda conn: past.forget_rest(conn, before, keys)):
            rest += gone
        if messages:
            log.info("forgotten", messages=messages)
        return messages + rest


def sweep_folder(root: Path, age: float, size: int, now: datetime) -> int:
    """Remove files that came more than `age` seconds ago, then the oldest beyond `size` bytes.

    Returns how many went; a file that cannot be removed stays. OSError when `root` cannot be read.
    """
    last = now.timestamp() - age
    gone, more = _sweep_part(root, last, size)
    while more:
        part, more = _sweep_part(root, last, size)
        gone += part
    for folder in root.iterdir():
        if folder.is_dir():
            with suppress(OSError):  # not empty
                folder.rmdir()
    return gone


def _sweep_part(root: Path, last: float, size: int) -> tuple[int, bool]:
    """Look through all files once: remove those before `last`, then the oldest, PART at the most.

    Returns how many went, and whether another look may find more beyond the size.
    """
    total, gone = 0, 0

    def found() -> Iterator[tuple[float, int, str]]:
        nonlocal total, gone
        for entry in _files(str(root)):
            with suppress(FileNotFoundError):
                at = arrival_of(entry.name)
                if at is None:  # put there by hand
                    at = entry.stat(follow_symlinks=False).st_mtime
                # at once: after a year there are too many to look at them again for every part
                if at < last and _removed(entry.path):
                    gone += 1
                    continue
                length = entry.stat(follow_symlinks=False).st_size
                total += length
                if at >= last:
                    yield at, length, entry.path

    beyond = 0
    for _, length, path in heapq.nsmallest(PART, found()):
        if total <= size:
            break
        if _removed(path):
            total -= length
            beyond += 1
    return gone + beyond, beyond == PART


def _removed(path: str) -> bool:
    """Remove a file; one that cannot be removed is logged and stays."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        log.warning("sweep-failed", file=path, why=error.strerror)
        return False
    return True


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """The messages in a folder and in those of its months."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.name.endswith(".eml"):
                yield entry
