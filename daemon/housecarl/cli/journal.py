"""The journal as the verbs use it: read beside a running daemon, written with a word to it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from housecarl import service
from housecarl.config_file import Loaded
from housecarl.disk import is_there
from housecarl.errors import StorageError
from housecarl.journal import JOURNAL, WAKE, connect, fault

T = TypeVar("T")


def read(loaded: Loaded, do: Callable[[sqlite3.Connection], T]) -> T:
    """Read the journal; raises StorageError when there is none yet or it cannot be read."""
    return read_at(loaded.config.spool, do, loaded.source.path)


def read_at(spool: Path, do: Callable[[sqlite3.Connection], T], config: Path) -> T:
    """Read the journal of the spool of a configuration; raises StorageError as `read` does."""
    path = spool / JOURNAL
    if not may_read(spool):
        raise _none_yet(path, config)
    conn = connect(path, readonly=True)
    try:
        return do(conn)
    except sqlite3.DatabaseError as error:
        raise fault(path, error) from error
    finally:
        conn.close()


def may_read(spool: Path) -> bool:
    """Whether a spool has a journal; raises PermissionError when this login may not read it."""
    return _may(spool / JOURNAL, os.R_OK)


def _may(path: Path, rights: int) -> bool:
    """Whether it is there; PermissionError without the rights, where SQLite cannot tell why."""
    if not is_there(path):
        return False
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        rights &= ~os.W_OK  # no other login may either
    if not os.access(path, rights):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return True


def refuse_root(spool: Path, config: Path) -> None:
    """Root makes no journal for another user's daemon, which could not open it: StorageError."""
    if os.geteuid() != 0 or is_there(spool / JOURNAL):
        return
    # a spool that is not there yet will be that of whom the unit names
    foreign = spool.stat().st_uid != 0 if spool.is_dir() else service.is_installed(config)
    if foreign:
        raise _none_yet(spool / JOURNAL, config)


def _none_yet(path: Path, config: Path) -> StorageError:
    return StorageError(f"no journal in {path.parent} yet: `{service.start(config)}` makes it")


def write(loaded: Loaded, do: Callable[[sqlite3.Connection], T]) -> T:
    """Change the journal in one transaction and wake the daemon, if one runs."""
    return write_at(loaded.config.spool, do, loaded.source.path)


def write_at(spool: Path, do: Callable[[sqlite3.Connection], T], config: Path) -> T:
    """Change the journal of a spool as `write` does; raises JournalDamaged when it is lost."""
    path = spool / JOURNAL
    refuse_root(spool, config)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except PermissionError:
        raise
    except OSError as error:
        text = f"spool {spool}: {error.strerror}: {error.filename}"
        raise StorageError(text) from error
    for each in (path.parent, path):
        _may(each, os.R_OK | os.W_OK)
    if not is_there(path) or path.stat().st_size == 0:
        from housecarl.remains import see_journal

        see_journal(spool, path)
    conn = connect(path)
    try:
        conn.execute("BEGIN IMMEDIATE")
        result = do(conn)
        conn.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise fault(path, error) from error
    finally:
        conn.close()
    wake(spool)
    return result


def wake(spool: Path) -> None:
    """Have the daemon, if one runs, look at what was changed in its journal."""
    with suppress(FileNotFoundError):  # only a start makes it: root's would be closed to the daemon
        # closing a file that may be written is news, a new time is none
        (spool / JOURNAL.parent / WAKE).open("r+b").close()
