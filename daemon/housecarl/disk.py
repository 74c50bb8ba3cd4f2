"""What makes a file and its name durable: written, synced, there for certain or not at all."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

StrPath = str | os.PathLike[str]

_LIBC = ctypes.CDLL(None, use_errno=True)


def write_new(path: StrPath, data: bytes, *, sync: bool) -> None:
    """A new file with mode 0600; with `sync` its content is on the disk before this returns."""
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def is_there(path: StrPath) -> bool:
    """Whether there is such a file or folder; OSError when the disk or its rights do not tell.

    pathlib takes that for a no as of Python 3.14, and what is taken for gone is made anew.
    """
    try:
        os.stat(path)  # noqa: PTH116 - takes a str too; see `rename`
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def sync_filesystem(path: StrPath) -> None:
    """Everything written to the file system of `path` is on the disk before this returns.

    syncfs(2), which tells of write errors since Linux 5.8.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _LIBC.syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(fd)


def sync_folder(path: StrPath) -> None:
    """Make the names in a folder durable; without this a rename can be lost with the power."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def try_way(source: Path, target: Path) -> None:
    """One byte takes the way of a message: written, synced, renamed, removed; raises OSError."""
    name = f".probe-{os.getpid()}"  # dot names are never messages
    probe = source / name
    probe.unlink(missing_ok=True)
    try:
        write_new(probe, b"\n", sync=True)
        probe = probe.rename(target / ".probe")  # one name: the next try takes away what stays
        sync_folder(target)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def rename(here: str, there: str) -> None:
    """Give a file another name within its file system, at once or not at all."""
    os.rename(here, there)  # noqa: PTH104 - making a Path costs more than the rename
