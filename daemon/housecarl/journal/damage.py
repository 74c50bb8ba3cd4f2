"""What a fault of SQLite means: the file is damaged, or a disk is full or failing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from housecarl.disk import is_there
from housecarl.errors import JournalDamaged, StorageError

#: What is added to the name of a journal for the files that SQLite has of it.
SIDES = ("", "-wal", "-shm")

#: What SQLite says when the disk does not give a page: a cable, or a bad spot for good.
_UNREAD = ("SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS")

#: What to do about a bad spot; the daemon cannot tell it from a cable, which loses nothing.
_WAY_OUT = (
    ". If it stays so, stop the daemon, move this file and those with -wal and -shm behind its "
    "name elsewhere, and start it: it builds a new one from the folders"
)


def mark_of(path: Path) -> Path:
    """The empty file that says that damage was met in this journal."""
    return path.with_name(f"{path.name}.suspect")


def fault(path: Path, error: sqlite3.Error | JournalDamaged) -> StorageError:
    """The operator's sentence; damage is told apart from a disk that is full or failing.

    Damage leaves a mark beside the file, so that the next start of the daemon looks at all of it.
    """
    code = getattr(error, "sqlite_errorname", "")
    if not isinstance(error, JournalDamaged) and not _is_damage(path, code, str(error)):
        text = f"the journal {path}: {error} ({code or type(error).__name__})"
        return StorageError(f"{text}{_WAY_OUT}" if code in _UNREAD else text)
    try:
        mark_of(path).touch(mode=0o600)
    except OSError:
        pass  # of another login, or full: a start looks at what it meets anyway
    return JournalDamaged(
        f"the journal {path} is damaged: {error}. "
        "The daemon sets it aside and builds a new one when it starts: restart it"
    )


def _is_damage(path: Path, code: str, text: str) -> bool:
    """Whether the file itself is at fault; in its header that has no code of its own."""
    if code == "SQLITE_READONLY":
        # as the header of a later SQLite's file asks for; else the disk or the owner forbids it
        sides = [Path(f"{path}{side}") for side in SIDES]
        try:
            return all(os.access(side, os.W_OK) for side in sides if is_there(side))
        except OSError:
            return False  # a disk that does not tell that is at fault itself
    corrupt = code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
    return corrupt or text == "unsupported file format"
