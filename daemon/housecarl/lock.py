"""The lock of a spool: one daemon serves it, and says in it what keeps it from serving."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from housecarl.errors import JournalError, SpoolGone, StorageError

#: The file's name, beside the journal.
NAME = "lock"

#: Bytes of a text that are kept; they are there from the start, for a disk that is full later.
MAX_TEXT = 500

#: How often a start tries while a verb has the lock, which has it for an instant to ask who holds
#: it, and seconds between two tries.
ASKED, ASK_SECONDS = 100, 0.01

#: What a holder that lets go by itself leaves there; one that is killed leaves something else.
_ENDED = b"ended"


class Lock:
    """Holds a folder for this process alone until `release`, or until the process ends.

    `former_killed`: its former holder did not let go by itself, or there was none; false once what
    that one left is taken up. Raises JournalError when another process holds it, PermissionError
    for a login that may not, StorageError when it cannot be tried.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = _taken(file)
        except PermissionError:
            raise  # it would be in vain to try again later
        except BlockingIOError:
            text = f"another housecarl already serves the spool {folder.parent}"
            raise JournalError(text) from None
        except OSError as error:
            text = f"spool {folder.parent}: {error.strerror}: {error.filename or file}"
            raise StorageError(text) from error
        self._file = os.fstat(self._fd)
        self.former_killed = self._heard() != _ENDED
        self.say("")

    def say(self, trouble: str) -> None:
        """What keeps its holder from serving; nothing: it serves."""
        with suppress(OSError):  # a disk that takes nothing is seen by whoever asks
            os.pwrite(self._fd, trouble.encode()[:MAX_TEXT].ljust(MAX_TEXT, b"\0"), 0)

    def holds(self, folder: Path) -> bool:
        """Whether its file is that in a folder, by whatever path."""
        with suppress(OSError):
            return os.path.samestat(self._file, (folder / NAME).stat())
        return False

    def see(self, folder: Path) -> None:
        """SpoolGone when its file is not in the folder any more, as on a disk that is not mounted.

        A spool that is made anew would not know who is switched off, nor what was done before; that
        of another file may be served by another daemon.
        """
        if self.holds(folder):
            return
        file = folder / NAME
        text = f"{file} is gone: mount its disk, or put the spool back; a restart makes a new one"
        with suppress(OSError):
            found = file.stat()
            text = f"{file} is of another spool: put the former back, or restart to serve this one"
            if found.st_ino == self._file.st_ino:  # its disk was mounted anew, by another number
                self._follow(file)
                return
        raise SpoolGone(text)

    def _follow(self, file: Path) -> None:
        """Hold this one in place of the former; raises OSError when that cannot be."""
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            _hold(fd)
            os.dup2(fd, self._fd, inheritable=False)
            self._file = os.fstat(fd)
        finally:
            os.close(fd)

    def release(self) -> None:
        """Let another process have it, which takes up what this one has not."""
        if not self.former_killed:
            self.say(_ENDED.decode())
        os.close(self._fd)

    def _heard(self) -> bytes:
        with suppress(OSError):
            return os.pread(self._fd, MAX_TEXT, 0).rstrip(b"\0")
        return b""


def _taken(file: Path) -> int:
    """Open and lock it; BlockingIOError when another process holds it, not when one only asks."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _hold(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _hold(fd: int) -> None:
    for _ in range(ASKED):
        with suppress(BlockingIOError):
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # fails beside a holder only
        fcntl.flock(fd, fcntl.LOCK_UN)
        time.sleep(ASK_SECONDS)
    raise BlockingIOError


def held(folder: Path) -> str | None:
    """What the holder of a folder says, empty while it serves; None when nobody holds it."""
    try:
        with (folder / NAME).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read(MAX_TEXT).rstrip(b"\0").decode(errors="replace")
    except OSError:
        pass
    return None
