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
        if os.geteuid() == 0:
            about = path.parent.parent.stat()
            os.chown(path.parent, about.st_uid, about.st_gid, follow_symlinks=False)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
        file.write(text)
        file.flush()
        if path.exists() or os.geteuid() == 0:
            about = (path if path.exists() else path.parent).stat()
            # by its descriptor: in a folder of others its name may be a link by now
            os.fchown(file.fileno(), about.st_uid, about.st_gid)
        os.fsync(file.fileno())
    part.replace(path)
