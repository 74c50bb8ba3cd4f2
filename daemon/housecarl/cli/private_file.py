"""A file that only its owner can read, replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text`, and its folder (0700) when it is missing; owner and group stay as they were.

    What root makes anew belongs to whom its folder does: the daemon's secrets, to the daemon.

    Whoever looks sees the old file or the new one, never a part, and never one that is open to
    others for a moment.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _hand_over(path.parent, like=path.parent.parent)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        about = path.stat()
        os.chown(part, about.st_uid, about.st_gid)
    else:
        _hand_over(part, like=path.parent)
    part.replace(path)


def _hand_over(path: Path, *, like: Path) -> None:
    """Give what root made to the owner of a folder; nobody else can."""
    if os.geteuid() == 0:
        about = like.stat()
        os.chown(path, about.st_uid, about.st_gid)
