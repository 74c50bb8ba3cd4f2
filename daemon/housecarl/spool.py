"""The spool: one file per message, whose folder says its state.

    (root)            dropped by a person or a script; the drop door takes it
    tmp               being written; never read; older than 36 h may be removed
    new               whole and safe; waiting
    work              taken by the worker
    executed/YYYY-MM  its commands were carried out, whatever their outcome; the journal knows more
    refused           not trusted, too late, a repeat, or no command in it
    failed            we broke on it: kept for a person, never retried by itself
    .journal          the journal and its side files

A name is for life and each step is one rename. Only `put` is a barrier (file and folder are synced
before it returns); after a crash the journal decides and the folders follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from housecarl.disk import is_there, rename, sync_filesystem, sync_folder, write_new
from housecarl.errors import MessageUnread, StorageError
from housecarl.message.name import make_name
from housecarl.message.stamp import Stamp, Stored, split
from housecarl.renames import Renames
from housecarl.room import see_room
from housecarl.stored import names_in, read_file

#: Seconds after which a file in tmp/ belongs to nobody (36 h: longer than any message takes).
TMP_SECONDS = 36 * 3600

#: Bytes that stay free for the rest of the machine; below this `put` refuses.
RESERVE_BYTES = 64 * 1024 * 1024

#: Messages kept in memory between `put` and `take`, so that a quiet house never reads a file back.
FRESH = 64

#: Messages put together from which on the next wait for more of them, and how long: waking the disk
#: thread and the loop costs more than writing a message does, and who is alone never waits.
CROWD = 2
GATHER_SECONDS = 0.005

#: Seconds a disk may take for the messages it is given at once: a worn-out SD card stalls for ten,
#: and a mail server that waits much longer holds a place at the door in vain.
PATIENCE_SECONDS = 60.0

#: Seconds between tries to read one file: a fault of a moment is none.
READ_AGAIN = (0.1, 1.0)

T = TypeVar("T")

#: A message that is being put: its name, the bytes of its file, and who waits for it.
Put = tuple[str, bytes, "asyncio.Future[None]"]

#: What became of each message that was put together with others; None: it is safe.
Results = list[StorageError | None]


class State(StrEnum):
    """The folders a message can be in."""

    NEW = "new"
    WORK = "work"
    EXECUTED = "executed"
    REFUSED = "refused"
    FAILED = "failed"


#: Every folder of its own below the root.
FOLDERS = ("tmp", *State, ".journal")


class Spool:
    """The folders under `root`; disk work runs in one thread, in the order it was asked for."""

    def __init__(self, root: Path, reserve: int = RESERVE_BYTES) -> None:
        self.root = root
        self.reserve = reserve
        self.patience = PATIENCE_SECONDS
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._renames = Renames(self._disk)
        self._pending: deque[Put] = deque()
        self._flushing = False
        self._fresh: OrderedDict[str, Stored] = OrderedDict()
        self._places = {state: str(root / state) for state in State}
        self._unwanted: set[str] = set()

    def open(self, *, alone: bool = False) -> None:
        """Make the folders, try a rename, and clear tmp/: old files, or all for who is `alone`.

        Others may do the same at this moment, or put messages: what is gone from tmp/ is no fault,
        nor is a folder that somebody made there.
        Raises StorageError, and PermissionError for a verb of a login that may not.
        """
        try:
            for folder in FOLDERS:
                (self.root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self.root)
            probe = self.root / "tmp" / f".probe-{secrets.token_hex(4)}"
            with contextlib.suppress(FileNotFoundError):
                probe.touch(mode=0o600)
                # to one name, so that the next start takes away what a crash leaves here
                probe.rename(self.root / "work" / ".probe").unlink()
            for left in (self.root / "tmp").iterdir():
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    if alone or time.time() - left.stat().st_mtime > TMP_SECONDS:
                        left.unlink()
        except OSError as error:
            if isinstance(error, PermissionError) and not alone:
                raise  # it would be in vain to try again later
            raise StorageError(f"spool {self.root}: {error.strerror}: {error.filename}") from error

    @property
    def trouble(self) -> asyncio.Future[StorageError] | None:
        """Resolved by a rename that fails; None before `start`."""
        return self._renames.trouble

    async def start(self) -> None:
        """Bind to the running loop."""
        self._renames.start(asyncio.get_running_loop())

    async def stop(self) -> None:
        """Wait until every rename that was asked for is done."""
        self._renames.run()
        await asyncio.to_thread(self._disk.shutdown)

    async def put(self, raw: bytes, stamp: Stamp) -> str:
        """Keep a message: on return it is in new/, its file and the folder are synced.

        Raises SpoolFull without room, StorageError when the disk fails or takes nothing for
        `patience` seconds. Nothing stays then, nor when it is cancelled: nobody was told that the
        message is safe.
        """
        name = make_name(stamp.arrived)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._pending.append((name, stamp.line() + raw, done))
        if not self._flushing:
            self._gather(loop, crowded=False)
        try:
            await done
        except asyncio.CancelledError:
            if not done.cancelled():
                self._withdraw(name)
            raise
        self._fresh[name] = stamp, raw
        if len(self._fresh) > FRESH:
            self._fresh.popitem(last=False)
        return name

    def _gather(self, loop: asyncio.AbstractEventLoop, *, crowded: bool) -> None:
        """Put what waits once those have joined it who come in this turn, or soon in a crowd."""
        self._flushing = True
        if crowded:
            loop.call_later(GATHER_SECONDS, self._flush, loop)
        else:
            loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put all that waits; while it is written and synced the next gathers."""
        batch = [put for put in self._pending if not put[2].done()]
        self._pending.clear()
        self._timer = loop.call_later(self.patience, self._give_up, loop, batch)

        def ended(work: Future[Results]) -> None:
            error = work.exception()
            results = work.result() if error is None else _failed(error, len(batch))
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(self._flushed, loop, batch, results)

        try:
            work = self._disk.submit(self._put_all, [(name, data) for name, data, _ in batch])
        except RuntimeError as error:  # stopped
            self._flushed(loop, batch, _failed(error, len(batch)))
        else:
            work.add_done_callback(ended)

    def _flushed(self, loop: asyncio.AbstractEventLoop, batch: list[Put], results: Results) -> None:
        """Tell each who waits, and go on with those who came meanwhile."""
        self._timer.cancel()
        for (name, _, done), result in zip(batch, results, strict=True):
            if done.done():  # whoever brought it has gone, or was told that it is not safe
                self._withdraw(name)
            elif result is not None:
                done.set_exception(result)
            else:
                done.set_result(None)
        self._flushing = False
        if self._pending:
            self._gather(loop, crowded=len(batch) >= CROWD)

    def _give_up(self, loop: asyncio.AbstractEventLoop, batch: list[Put]) -> None:
        """Let nobody wait any longer for a disk that hangs, nor who comes while it does."""
        for _, _, done in [*batch, *self._pending]:
            if not done.done():
                text = f"spool: the disk took nothing in {self.patience:g} s"
                done.set_exception(StorageError(text))
        self._pending.clear()
        self._timer = loop.call_later(self.patience, self._give_up, loop, batch)

    def _put_all(self, work: list[tuple[str, bytes]]) -> Results:
        """Write and sync the files, rename the whole ones, sync the folder once.

        One file is synced by itself, several together: a slow disk is flushed once for all of them.
        """
        self.forget()
        see_room(self.root, self.reserve, sum(len(data) for _, data in work))
        results = [self._write(name, data, sync=len(work) == 1) for name, data in work]
        try:
            if len(work) > 1:
                sync_filesystem(self.root)
            for (name, _), result in zip(work, results, strict=True):
                if result is None:
                    rename(f"{self.root}/tmp/{name}", f"{self._places[State.NEW]}/{name}")
            sync_folder(self._places[State.NEW])
        except Exception as error:  # noqa: BLE001 - whatever it is, its senders hear that
            self.forget(name for name, _ in work)
            return _failed(error, len(work))
        return results

    def _write(self, name: str, data: bytes, *, sync: bool) -> StorageError | None:
        """One message into tmp/; on an error nothing of it stays."""
        path = f"{self.root}/tmp/{name}"
        try:
            write_new(path, data, sync=sync)
        except OSError as error:
            self.forget([name])
            return StorageError.of("spool: put", error)
        return None

    def forget(self, names: Iterable[str] = ()) -> None:
        """Take back what may not be durable (its sender brings it again), now or another time."""
        self._unwanted.update(names)
        with contextlib.suppress(OSError):
            for name in list(self._unwanted):
                for folder in ("tmp", State.NEW):
                    (self.root / folder / name).unlink(missing_ok=True)
                self._unwanted.discard(name)

    def _withdraw(self, name: str) -> None:
        with contextlib.suppress(RuntimeError):  # stopped: the next start carries it
            self._disk.submit(self.forget, [name])

    async def take(self, name: str) -> Stored:
        """new/ -> work/: the message. Raises StorageError, MessageGone, MessageUnread."""
        stored = self._fresh.pop(name, None)
        if stored is not None:
            self.move(name, State.NEW, State.WORK)
            return stored
        for seconds in READ_AGAIN:
            with contextlib.suppress(MessageUnread):
                return await self.ask(lambda: self._take(name))
            await asyncio.sleep(seconds)
        return await self.ask(lambda: self._take(name))

    def _take(self, name: str) -> Stored:
        here = self.root / State.WORK / name
        if not is_there(here):
            with contextlib.suppress(FileNotFoundError):  # reading it says that it is gone
                (self.root / State.NEW / name).rename(here)
        return split(read_file(here))

    def move(self, name: str, source: State, target: State) -> None:
        """Rename from one state to another, soon and in order; a failure shows in `trouble`."""
        goal = self._places[target]
        if target is State.EXECUTED:
            goal = f"{goal}/{name[:4]}-{name[4:6]}"
        self._renames.add(name, self._places[source], goal)

    async def settle(self) -> None:
        """Wait until the renames asked for so far are done."""
        await self.ask(lambda: None)

    async def waiting(self, state: State) -> list[str]:
        """The names in a folder, oldest first."""
        return await self.ask(lambda: names_in(self.root / state))

    async def ask(self, do: Callable[[], T]) -> T:
        """Run `do` in the disk thread, behind the renames asked for so far."""
        self._renames.run()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, do)
        except OSError as error:
            raise StorageError.of("spool: read", error) from error


def _failed(error: BaseException, count: int) -> Results:
    """What became of messages that were put together when none of them is safe."""
    return [StorageError.of("spool: put", error)] * count
