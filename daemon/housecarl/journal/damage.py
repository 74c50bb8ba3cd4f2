"""What a fault of SQLite means: the file is damaged, or a disk is full or failing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from housecarl.errors import JournalDamaged, StorageError


def mark_of(path: Path) -> Path:
    """The empty file that says that damage was met in this journal."""
    return path.with_name(f"{path.name}.suspect")


def fault(path: Path, error: sqlite3.Error | JournalDamaged) -> StorageError:
    """The operator's sentence; damage is told apart from a disk that is full or failing.

    Damage leaves a mark beside the file, so that the next start of the daemon looks at all of it.
    """
    code = getattr(error, "sqlite_errorname", "")
    if not isinstance(error, JournalDamaged) and not _is_damage(path, code, str(error)):
        return StorageError(f"the journal {path}: {error} ({code or type(error).__name__})")
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
        sides = [Path(f"{path}{side}") for side in ("", "-wal", "-shm")]
        return all(os.access(side, os.W_OK) for side in sides if side.exists())
    corrupt = code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
    return corrupt or text == "unsupported file format"
