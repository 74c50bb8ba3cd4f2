"""A file that only its owner can read, replaced in one step."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write(path: Path, content: str | bytes, *, like: Path | None = None) -> None:
    """Write `content` (a text as UTF-8), and its folder (0700) when it is missing.

    The owner stays as it was, and so does the group where root writes: PermissionError for the file
    of another user. Whoever looks sees the old file or the new one, never a part, and never one
    that is open to others for a moment. What root makes anew belongs to the owner of `like`, such
    as the daemon's spool.
    """
    is_root = os.geteuid() == 0
    owner = _owner(path) or (_owner(like) if like and is_root else None)
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if owner is not None:
            os.chown(path.parent, *owner, follow_symlinks=False)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        if owner is not None:
            # by its descriptor: in a folder of others its name may be a link by now; and only root
            # may put a file into any group
            os.fchown(file.fileno(), owner[0], owner[1] if is_root else -1)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def close_to_others(path: Path, owner: tuple[int, int] | None) -> None:
    """Let only its owner read a file that is there, and make that `owner` (uid, gid) where given.

    What a link leads to stays as it is: who may put one there would be given any file of root's.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return
        raise
    try:
        os.fchmod(fd, 0o600)
        if owner is not None:
            os.fchown(fd, *owner)
    finally:
        os.close(fd)


def _owner(path: Path) -> tuple[int, int] | None:
    """(uid, gid) of what is there."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_uid, about.st_gid
