"""`housecarl` whose spool leaves out a sync: `python -m tests.crash.unsynced WHICH ...`.

WHICH is `folder`, so that the name of a new message is not on the disk when its sender hears 250,
or `file`, so that its content is not. What the harness is for: it has to find both.
"""

from __future__ import annotations

import os
import stat
import sys

from housecarl import clock, disk, spool
from housecarl.cli import main

_fsync = os.fsync


def leave_out(which: str) -> None:
    """From now on the spool syncs no folder, or no file."""
    of_folder = which == "folder"

    def some(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode) != of_folder:
            _fsync(fd)

    def nothing(path: disk.StrPath) -> None:
        return None

    os.fsync = some  # type: ignore[assignment]
    if not of_folder:
        spool.sync_filesystem = nothing  # type: ignore[attr-defined]


if __name__ == "__main__":
    leave_out(sys.argv.pop(1))
    clock.SETTLE_SECONDS = 0.0  # as tests.long_up
    main()
