"""The spool's file system: renames between the folders, syncing, room, and what it is made of."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from functools import partial
from pathlib import Path

from housecarl import service
from housecarl.disk import is_there, sync_folder, write_new
from housecarl.doctor.access import user
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.journal import JOURNAL
from housecarl.quantity import MIB
from housecarl.spool import FOLDERS, RESERVE_BYTES, State
from housecarl.thread import in_thread

#: Seconds until a disk that does not answer is told.
DISK_SECONDS = 9.0

#: Seconds of one sync that tell of a disk in trouble; a slow SD card takes 0.3.
SLOW_SECONDS = 2.0

#: File systems that forget everything at a reboot.
FLEETING = ("tmpfs", "ramfs")

#: How to mend a spool whose folders cannot work together, and one without room.
ONE_DISK = (
    "Every folder of the spool must be on one file system that can be written; no mounts inside it."
)
ROOM = "Make room: `du -xh {root} | sort -h | tail`; retention bounds what is kept."

#: How to mend what the kernel says of a file; of anything else ONE_DISK.
MENDS = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EROFS: "`dmesg` tells why it is read-only; `findmnt -T {root}` shows its mount.",
    errno.EIO: "`dmesg` tells what the disk says; move the spool to another.",
}

PART = "spool"


async def examine(patient: Patient) -> list[Finding]:
    """Write, sync, rename and remove one file, by the steps of a message."""
    try:
        return await in_thread(partial(_look, patient), DISK_SECONDS)
    except TimeoutError:
        root = patient.config.spool
        text = f"{root}: the disk did not take one file in {DISK_SECONDS:g} s"
        raise Trouble(text, "`dmesg` tells what the disk says; move the spool.") from None


def _look(patient: Patient) -> list[Finding]:
    """All of it, in a thread; raises Trouble."""
    root = patient.config.spool
    astray = None if patient.running else service.astray(patient.loaded.source.path, root)
    if not is_there(root) or not root.is_dir():
        if astray:
            raise Trouble(astray.text, astray.mend)
        return [skipped(PART, f"{root} is not there yet: `{patient.start}` makes it")]
    for name in FOLDERS:
        if (root / name).exists() and not (root / name).is_dir():
            raise Trouble(f"{root / name} is no folder", "Move it away: a start makes its own.")
    _see_owner(root)
    kind = _kind(root)
    seconds = _tried(root)
    room = os.statvfs(root)
    free = room.f_bavail * room.f_frsize
    text = f"{root} ({kind}): renames and syncs, {seconds * 1000:.0f} ms; {_size(free)} free"
    found = [well(PART, text)]
    if astray:  # its disk is not mounted, or the daemon is yet to be told of another spool
        found.append(skipped(PART, astray.text, astray.mend))
    if seconds > SLOW_SECONDS:
        mend = "`dmesg` tells what the disk says; move the spool to another."
        found.append(trouble(PART, f"one sync took {seconds:.1f} s", mend))
    if free < RESERVE_BYTES or (room.f_files and not room.f_favail):
        mend = ROOM.format(root=root)
        text = f"{_size(free)} free, {_size(RESERVE_BYTES)} are reserved: no message is taken"
        found.append(trouble(PART, text, mend))
    if kind in FLEETING:
        mend = "Set spool: to a folder on a disk."
        found.append(trouble(PART, f"{kind} is empty after a reboot: messages are lost", mend))
    return found


def _see_owner(root: Path) -> None:
    """What the daemon cannot open of its own spool, since root made it or put it back."""
    uid = root.stat().st_uid
    inside = [root / name for name in (*FOLDERS, JOURNAL)]
    # pathlib's form raises where one may not look
    there = [path for path in inside if os.path.exists(path)]  # noqa: PTH110
    others = [path for path in there if path.stat().st_uid != uid]
    if others and uid != 0:  # root can open them all
        text = f"{others[0]} is {user(others[0].stat().st_uid)}'s, and the spool {user(uid)}'s"
        raise Trouble(text, f"chown -R {user(uid)} {' '.join(map(str, others))}")


def _tried(root: Path) -> float:
    """One file through two folders; the seconds that took."""
    places = [root / name for name in ("tmp", *State) if (root / name).is_dir()]
    began = time.monotonic()
    try:
        with contextlib.ExitStack() as undo:
            if len(places) < 2:
                made = undo.enter_context(tempfile.TemporaryDirectory(prefix=".doctor-", dir=root))
                places = [Path(made, "one"), Path(made, "two")]
                for place in places:
                    place.mkdir(mode=0o700)
            name = f".doctor-{os.getpid()}"  # dot names are never messages
            here = places[0] / name
            undo.callback(lambda: here.unlink(missing_ok=True))
            write_new(here, b"doctor\n", sync=True)
            for place in places[1:]:
                here = here.rename(place / name)
                sync_folder(place)
    except OSError as error:
        mend = MENDS.get(error.errno or 0, ONE_DISK).format(root=root)
        raise Trouble(f"{error.filename or root}: {error.strerror}", mend) from None
    return time.monotonic() - began


def _kind(root: Path) -> str:
    """The kind of file system that holds the spool, from the mount nearest above it."""
    best, kind = "", "unknown"
    place = f"{root.resolve()}/"
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return kind
    for line in lines:
        _, mount, found, *_ = line.split(" ")
        if place.startswith(f"{mount.rstrip('/')}/") and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _size(count: int) -> str:
    return f"{count / MIB / 1024:.1f} GiB" if count >= 1024 * MIB else f"{count / MIB:.0f} MiB"
