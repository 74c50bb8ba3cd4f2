"""A configuration that is read again, and its spool locked, while the house goes by the former."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from housecarl import config_file
from housecarl.config_file import Loaded
from housecarl.doors.smtp import tls
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.errors import ConfigError, Problem, StorageError, Unreachable
from housecarl.journal import JOURNAL
from housecarl.lock import Lock
from housecarl.thread import in_thread

#: Seconds that the disk has for all files together: a stop waits for them.
READ_SECONDS = 15.0


async def read_again(path: Path) -> Loaded:
    """Off the loop, with its certificate looked at too: a renewal may be half written.

    Raises ConfigError, and Unreachable for a disk that hangs.
    """
    try:
        return await in_thread(lambda: _read(path), READ_SECONDS)
    except TimeoutError:
        text = f"{path}: its disk, or that of a file it names, gave nothing in {READ_SECONDS:g} s"
        raise Unreachable(text) from None


async def lock_of(new: Loaded, old: Loaded, held: Lock) -> Lock:
    """The lock of its spool: another spool may be another daemon's.

    Raises JournalError when it is, StorageError when it cannot be tried, Unreachable as above.
    """
    spool, too_late = new.config.spool, Event()

    def take() -> Lock:
        if spool == old.config.spool:
            return held  # also one that is gone: who opens the house sees that
        if held.holds(spool / JOURNAL.parent):
            return held  # by another path: a link, or it was moved, or is mounted elsewhere
        try:
            lock = Lock(spool / JOURNAL.parent)
        except PermissionError as error:
            raise StorageError.of(f"spool {spool}", error) from error
        if too_late.is_set():
            lock.release()  # nobody waits for it, and the next reload must get it
        return lock

    try:
        return await in_thread(take, READ_SECONDS)
    except TimeoutError:
        too_late.set()
        raise Unreachable(f"{spool}: the disk gave nothing in {READ_SECONDS:g} s") from None


def _read(path: Path) -> Loaded:
    loaded = config_file.load(path)
    if not loaded.source.text.data:
        # a start goes by what is usual then; a house that serves would leave its people and spool
        fault = Problem(str(path), 0, 0, "says nothing any more; was its disk full?")
        raise ConfigError(fault)
    if loaded.config.doors.smtp is not None:
        tls(SmtpSettings.of(loaded.config.doors.smtp))
    return loaded
