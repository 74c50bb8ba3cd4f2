"""A file that only its owner can read, replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text`, and its folder (0700) when it is missing; owner and group stay as they were.

    Whoever looks sees the old file or the new one, never a part, and never one that is open to
    others for a moment.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        about = path.stat()
        os.chown(part, about.st_uid, about.st_gid)
    part.replace(path)
