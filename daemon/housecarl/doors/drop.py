"""The drop door: a file put into the spool's root is a message from the owner of the file."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from housecarl.clock import Clock
from housecarl.doors import drop_text
from housecarl.doors.door import Deliver, Tell
from housecarl.errors import SpoolFull, StorageError
from housecarl.logs import visible
from housecarl.message.form import MAX_SIZE
from housecarl.message.stamp import Stamp
from housecarl.watch import Watch

#: Seconds a file must be left alone before a scan takes it: its writer may be slow.
SETTLED_SECONDS = 2.0

#: Seconds between scans; events are only hints, the folder is the truth.
SCAN_SECONDS = 60.0

#: Seconds until a file is looked at again when the spool would not take it.
AGAIN_SECONDS = 5.0

#: A file that was delivered and is about to go; after a crash here its key tells it from a new one.
_ASIDE = re.compile(r"\.taken-[0-9a-f]{8}-(?P<name>.*)", re.DOTALL)

#: Bytes of a file's name that its key holds, and the name it has while it goes (of 255).
_NAME_BYTES = 200

#: Seconds within which a file made after another was removed may get its inode and its time of
#: writing, and so its key (Linux stamps files by the tick of its clock, 10 ms at most).
_TICK_SECONDS = 0.02

#: Files that cannot be taken which are named; thousands would be no line that can be read or sent.
_NAMED = 3

#: What the kernel says on opening what is no plain file, in words for who put it there.
_ODD = {errno.ELOOP: "a link; copy the file instead", errno.ENXIO: "not a plain file"}

log = structlog.get_logger()


class Dropped(NamedTuple):
    """One file as it was read: what it holds and what the kernel says about it.

    `came`: when it was written or renamed in, seconds since 1970; its writer cannot choose that.
    """

    data: bytes
    uid: int
    name: str
    state: str
    came: float

    @property
    def key(self) -> str:
        """What is the same for the same file only, as long as it is not written to."""
        return f"{self.state}:{visible(self.name)}"


class DropDoor:
    """Watches `root` and hands whole files to `deliver`; each is removed once it is safe.

    `tell` gets ("drop", whether all is well, one line for the operator) when that changes.
    """

    def __init__(
        self, root: Path, deliver: Deliver, clock: Clock, tell: Tell, watch: Watch
    ) -> None:
        self.root = root
        self._deliver = deliver
        self._clock = clock
        self._tell = tell
        self._closed: set[str] = set()
        #: why a file cannot be taken or removed, and the keys of those that are taken and stay
        self._unread: dict[str, str] = {}
        self._safe: set[str] = set()
        self._told: str | None = None  # what a former life told may be over
        self._hint = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None
        self._watch_folder = watch

    async def start(self) -> None:
        """Watch the folder, then take what is there already."""
        self._watch_folder.add(self.root, self._note)
        self._task = asyncio.create_task(self._watch(), name="drop door")

    async def stop(self) -> None:
        """Take no more files; one that is being taken is finished."""
        self._ending = True
        self._hint.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _note(self, name: str) -> None:
        """An event said that this file was closed, or renamed into the folder."""
        if _ASIDE.fullmatch(name):
            return  # our own doing; a writer that still has it open is waited for by the clock
        self._closed.add(name)
        self._hint.set()

    async def _watch(self) -> None:
        while not self._ending:
            self._hint.clear()
            wait = await self._scan()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._hint.wait()

    async def _scan(self) -> float:
        """Take every file that is ready; the seconds until the folder wants another look.

        Nothing ends it: a folder that cannot be read and news that cannot be told wait a little.
        """
        try:
            wait = await self._take_ready()
        except Exception as error:
            why = error.strerror if isinstance(error, OSError) else None
            if why is None:
                log.exception("drop-fault")
            self._unread[""] = f"the spool cannot be looked into: {why or 'see the log'}"
            wait = AGAIN_SECONDS
        try:
            await self._tell_news(_news([*self._unread.values()]))
        except Exception as error:  # noqa: BLE001 - no fault of the journal's ends the door
            log.warning("drop-not-told", fault=type(error).__name__, why=str(error))
            wait = min(wait, AGAIN_SECONDS)
        return wait

    async def _take_ready(self) -> float:
        """Take every file that is ready; the seconds until one of the others may be."""
        wait = SCAN_SECONDS
        closed, self._closed = self._closed, set()
        ahead = self._clock.now().timestamp() - time.time()  # one for all: they stay in order
        found = await asyncio.to_thread(_candidates, self.root)
        # what is not looked at now is no better for that
        self._unread = {name: self._unread[name] for name, _ in found if name in self._unread}
        for name, age in found:
            if self._ending:
                break
            if name not in closed and age < SETTLED_SECONDS:
                wait = min(wait, SETTLED_SECONDS - age + 0.05)
                continue
            try:
                if not await self._take(name, ahead):
                    wait = min(wait, SETTLED_SECONDS)
            except SpoolFull as error:
                # there is room for none of the others either: say so once, not for each of them
                log.warning("drop-waits", file=visible(name), why=str(error))
                return min(wait, AGAIN_SECONDS)
            except StorageError as error:
                log.warning("drop-waits", file=visible(name), why=str(error))
                wait = min(wait, AGAIN_SECONDS)
            except Exception:  # whatever one file does, the next one is taken
                log.exception("drop-fault", file=visible(name))
                self._unread[name] = f"{visible(name)} in the spool cannot be taken: see the log"
        return wait

    async def _tell_news(self, trouble: str) -> None:
        """Say once what cannot be taken, and once that there is nothing (more) of that."""
        if trouble != self._told:
            await self._tell("drop", not trouble, trouble or "the spool is watched")
            self._told = trouble

    async def _take(self, name: str, ahead: float) -> bool:
        """Read one file, hand it on, remove it once it is safe; note why one cannot be.

        `ahead`: seconds by which the house's clock is ahead of the kernel's. False: it is being
        written to, or could not be removed, so it wants another look soon.
        """
        path = self.root / name
        self._unread.pop(name, None)
        try:
            dropped = await asyncio.to_thread(_read, path)
        except FileNotFoundError:
            return True
        except OSError as error:
            why = _ODD.get(error.errno or 0, error.strerror)
            self._unread[name] = f"{visible(name)} in the spool cannot be taken: {why}"
            return True
        if dropped is None:
            return False
        if dropped.key not in self._safe:
            await self._hand_on(dropped, ahead)
            self._safe.add(dropped.key)
        try:
            is_over = await asyncio.to_thread(_remove, path, dropped)
        except OSError as error:
            self._unread[name] = (
                f"{visible(name)} in the spool is taken, but stays: {error.strerror}"
            )
            return False
        self._safe.discard(dropped.key)
        return is_over

    async def _hand_on(self, dropped: Dropped, ahead: float) -> None:
        """Deliver what was read, from its owner and with the time of its arrival."""
        as_person, raw = drop_text.read(dropped.data)
        now, came = self._clock.now(), dropped.came + ahead
        lay = now.timestamp() - came >= SCAN_SECONDS  # while nobody took it, perhaps for a night
        stamp = Stamp(
            door="drop",
            arrived=datetime.fromtimestamp(came, UTC) if lay else now,
            key=dropped.key,
            uid=str(dropped.uid),
            as_person=as_person,
        )
        await self._deliver(raw, stamp)


def _news(troubles: list[str]) -> str:
    """One line of what cannot be taken."""
    more = len(troubles) - _NAMED
    return "; ".join([*troubles[:_NAMED], *([f"and {more} more"] if more > 0 else [])])


def _candidates(root: Path) -> list[tuple[str, float]]:
    """The (name, seconds since last written) of what may be a message, as they came.

    What is being written to has the time that it is now: a time ahead is as good as one long ago.
    """
    found = []
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(".") and not _ASIDE.fullmatch(entry.name):
                continue
            if entry.name.endswith(".part") or entry.is_dir(follow_symlinks=False):
                continue
            with suppress(FileNotFoundError):
                about = entry.stat(follow_symlinks=False)
                found.append((about.st_ctime, about.st_mtime, entry.name))
    return [(name, abs(time.time() - written)) for _, written, name in sorted(found)]


def _read(path: Path) -> Dropped | None:
    """The whole file and its owner, None while it is being written; OSError says what it is not.

    A link proves nothing about who wrote the file it points to, so only a plain file with one name.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(0, "not a plain file")
        if about.st_nlink != 1:
            raise OSError(0, "it has more than one name (a hard link); copy it instead")
        if about.st_size > MAX_SIZE:
            raise OSError(0, f"{about.st_size} bytes, {MAX_SIZE} at most")
        data = b""
        while chunk := os.read(fd, MAX_SIZE + 1 - len(data)):
            data += chunk
            if len(data) > MAX_SIZE:
                raise OSError(0, f"more than {MAX_SIZE} bytes")
        if _state(os.fstat(fd)) != _state(about):
            return None
    finally:
        os.close(fd)
    aside = _ASIDE.fullmatch(path.name)
    name = aside["name"] if aside else os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])
    return Dropped(data, about.st_uid, name, _state(about), about.st_ctime)


def _state(about: os.stat_result) -> str:
    """What changes when a file is replaced or written to."""
    return f"{about.st_dev}:{about.st_ino}:{about.st_mtime_ns}:{about.st_size}"


def _remove(path: Path, dropped: Dropped) -> bool:
    """Remove the file that was read; False: what has its name now is another message, and stays.

    Whoever writes a file of the same name again and again must lose none, so the name is taken
    away first, and what had it is looked at then.
    """
    try:
        young = path.lstat().st_mtime + _TICK_SECONDS - time.time()
        time.sleep(min(_TICK_SECONDS, max(0.0, young)))
        if not _ASIDE.fullmatch(path.name):
            path = path.rename(path.with_name(f".taken-{secrets.token_hex(4)}-{dropped.name}"))
        if _state(path.lstat()) != dropped.state:
            return False
        path.unlink()
    except FileNotFoundError:
        pass  # somebody else was quicker
    return True
