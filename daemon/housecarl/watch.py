"""Watching folders: a hint on the loop when something in one was finished, renamed or removed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import ObservedWatch
from watchdog.observers.inotify import InotifyObserver

from housecarl.errors import Unreachable

#: Called on the loop with the file's name; only a hint, the folder is the truth.
Note = Callable[[str], None]

#: What is worth a hint; a file that is merely written to is not finished.
_FILES: list[type[FileSystemEvent]] = [FileClosedEvent, FileMovedEvent, FileDeletedEvent]

#: What is worth one besides where links and folders count as well.
_ALL = [*_FILES, FileCreatedEvent, DirCreatedEvent, DirMovedEvent, DirDeletedEvent]


class Watch:
    """Watches folders through the kernel; costs nothing while nothing happens."""

    def __init__(self) -> None:
        # full: else a file that is moved in from another folder is told as one just begun
        self._observer = InotifyObserver(generate_full_events=True)

    async def start(self) -> None:
        """Begin to watch what was and will be added."""
        await asyncio.to_thread(self._observer.start)

    async def stop(self) -> None:
        """Watch no more."""
        await asyncio.to_thread(self._observer.stop)
        if self._observer.ident is not None:  # it was started
            await asyncio.to_thread(self._observer.join)

    def add(self, place: Path, note: Note, *, links: bool = False) -> ObservedWatch:
        """Watch one folder, not those below it, or one file; must run in the loop.

        `links`: that a link or a folder is made in it, moved or removed is worth a hint too.
        Returns what `remove` takes. Raises Unreachable when the kernel watches no more for this
        login.
        """
        hints = _Hints(asyncio.get_running_loop(), note, both=links)
        events = _ALL if links else _FILES
        try:
            # where links lead: what happens there is no event of the link
            at = str(place.resolve(strict=True))
            return self._observer.schedule(hints, at, recursive=False, event_filter=events)
        except OSError as error:
            how = "see `sysctl fs.inotify`, and `ulimit -n`"
            raise Unreachable(f"{place} cannot be watched: {error.strerror}; {how}") from error

    async def remove(self, watched: ObservedWatch) -> None:
        """Watch one place no more."""
        await asyncio.to_thread(self._observer.unschedule, watched)


class _Hints(FileSystemEventHandler):
    """Turns the observer thread's events into notes on the loop.

    Of what is renamed the new name, and with `both` the former one too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, note: Note, *, both: bool) -> None:
        self._loop = loop
        self._note = note
        self._both = both

    def dispatch(self, event: FileSystemEvent) -> None:
        moved = isinstance(event, (FileMovedEvent, DirMovedEvent)) and event.dest_path
        path = os.fsdecode(event.dest_path if moved else event.src_path)
        if isinstance(event, FileCreatedEvent) and not _is_whole(path):
            return  # it is told when it is closed
        former = os.fsdecode(event.src_path) if moved and self._both else ""
        try:
            for each in filter(None, (former, path)):
                self._loop.call_soon_threadsafe(self._note, Path(each).name)
        except RuntimeError:
            pass  # the loop has ended, and with it whoever watched


def _is_whole(path: str) -> bool:
    """Whether a new name stands for what was there before: a link of either kind."""
    try:
        about = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(about.st_mode) or about.st_nlink > 1
