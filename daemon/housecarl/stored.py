"""The files of messages: which a folder has, and the bytes of one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from housecarl.errors import MessageGone, MessageUnread

#: What the disk says of one file that it does not give; anything else is the whole disk's trouble.
_OF_ONE_FILE = frozenset(
    {
        errno.EIO,
        errno.EACCES,
        errno.EPERM,
        errno.EISDIR,
        errno.ELOOP,
        errno.EBADMSG,
        errno.EUCLEAN,
    }
)


def names_in(folder: Path) -> list[str]:
    """The message files of one folder, oldest first; dot names are never messages."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())


def read_file(path: Path, most: int = -1) -> bytes:
    """The first bytes of a file, or all of it.

    Raises MessageGone, MessageUnread when only this file cannot be read, OSError.
    """
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise MessageGone(path.name) from None
    except OSError as error:
        if error.errno not in _OF_ONE_FILE:
            raise
        raise MessageUnread(f"its file cannot be read: {error.strerror}") from error
