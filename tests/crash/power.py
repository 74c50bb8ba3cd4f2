"""A power cut without a machine: what was not synced when it comes is taken back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from housecarl import disk, spool

_fsync, _open, _rename = os.fsync, os.open, os.rename


class Power:
    """Follows each new file and each rename until it is synced; `cut` takes back the rest.

    The worst a file system may do (ext4 does, with the name of a file): what was removed stays
    removed, while the names and the bytes that nobody synced are gone. SQLite's files are its own.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._files: dict[int, str] = {}
        self._names: list[tuple[str, str]] = []

    def follow(self) -> None:
        """Watch this process."""
        os.open = self._opened
        os.fsync = self._synced  # type: ignore[assignment]
        os.rename = self._renamed  # type: ignore[assignment]
        _replace(sync_filesystem=self._all_synced)

    def cut(self) -> None:
        """Take back what is not on the disk."""
        for here, there in reversed(list(self._names)):
            if Path(there).exists():
                _rename(there, here)
        for inode in list(self._files):  # other threads go on until the kill
            for path in Path(self._root).rglob("*.eml"):
                if path.stat().st_ino == inode:
                    os.truncate(path, 0)

    def _opened(self, path: Any, flags: int, *args: Any, **named: Any) -> int:
        fd = _open(path, flags, *args, **named)
        if flags & os.O_EXCL:
            self._files[os.fstat(fd).st_ino] = str(path)
        return fd

    def _renamed(self, here: Any, there: Any) -> None:
        _rename(here, there)
        self._names.append((str(here), str(there)))

    def _synced(self, fd: int) -> None:
        _fsync(fd)
        self._files.pop(os.fstat(fd).st_ino, None)
        folder = str(Path(f"/proc/self/fd/{fd}").readlink())
        self._names = [each for each in self._names if str(Path(each[1]).parent) != folder]

    def _all_synced(self, path: Any) -> None:
        self._files.clear()
        self._names.clear()


def leave_out_sync() -> None:
    """Leave out the accept barrier: files and names are written, and nobody waits for the disk."""
    write_new = disk.write_new

    def unsynced(path: Any, data: bytes, *, sync: bool) -> None:
        write_new(path, data, sync=False)

    def nothing(path: Any) -> None:
        return None

    _replace(write_new=unsynced, sync_filesystem=nothing, sync_folder=nothing)


def _replace(**functions: Any) -> None:
    """Put these in the place of what the spool calls."""
    for name, function in functions.items():
        setattr(spool, name, function)
