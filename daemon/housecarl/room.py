"""The room for messages: how much a file system has left, and when it is too little."""

from __future__ import annotations

import os
from pathlib import Path

from housecarl.errors import SpoolFull


def see_room(root: Path, reserve: int, size: int = 0) -> None:
    """Raise SpoolFull when less than `reserve` bytes stay free after `size`; may raise OSError."""
    room = os.statvfs(root)
    free = room.f_bavail * room.f_frsize
    if free - size < reserve:
        raise SpoolFull(f"spool {root}: {free} bytes free, {reserve} stay reserved")
