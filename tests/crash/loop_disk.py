"""A disk whose power can be cut: ext4 on a loop device, and the ioctl that shuts it down."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

#: EXT4_IOC_SHUTDOWN, `_IOR('X', 125, __u32)`, and its flag not to flush the log: what is not on the
#: disk by then never will be (linux/fs/ext4/ext4.h).
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2

#: Size of the disk: SQLite, some thousand messages, and what the spool keeps free (64 MiB).
MEBIBYTES = 256

#: Seconds until the last process of a killed daemon has let go of the disk.
PATIENCE = 20.0


class NoLoopDisk(Exception):
    """No such disk can be had here; the text says why."""


class LoopDisk:
    """An image file, mounted at `place`."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "disk"
        self._folder = folder
        self._starts = itertools.count(1)
        self._image = self._next_image()

    def make(self) -> None:
        """Make and mount it; raises NoLoopDisk."""
        self.place.mkdir()
        with self._image.open("wb") as image:
            image.truncate(MEBIBYTES << 20)
        try:
            _run("mkfs.ext4", "-q", "-F", str(self._image))
            self.mount()
        except (OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", None) or str(error)
            raise NoLoopDisk(f"no ext4 on a loop device here: {why.strip()}") from error

    def mount(self) -> None:
        """Put it in its place; its log is replayed, as by a machine that starts again."""
        _run("mount", "-o", "loop", str(self._image), str(self.place))

    def cut(self) -> None:
        """Cut the power: from now on nothing is written, and every call fails."""
        fd = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def remount(self) -> None:
        """The machine starts again, with what is on the image and nothing else.

        It is a copy: what another mount namespace still holds of the dead file system (that of a
        machine which boots beside this test, say) would be all that the same image shows again.
        """
        self.unmount()
        dead, self._image = self._image, self._next_image()
        _run("cp", "--sparse=always", str(dead), str(self._image))
        dead.unlink()
        self.mount()

    def _next_image(self) -> Path:
        return self._folder / f"disk-{next(self._starts)}.img"

    def unmount(self) -> None:
        """Take it out of its place, which detaches the loop device too."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                _run("umount", str(self.place))
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # a child of what was killed still ends

    def remove(self) -> None:
        """Unmount it whatever its state, and leave no loop device behind."""
        while os.path.ismount(self.place):
            self.unmount()
        self._image.unlink(missing_ok=True)


@contextlib.contextmanager
def loop_disk(folder: Path) -> Iterator[LoopDisk]:
    """A disk for a while; raises NoLoopDisk."""
    disk = LoopDisk(folder)
    try:
        disk.make()
        yield disk
    finally:
        disk.remove()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
