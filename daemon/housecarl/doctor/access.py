"""Who may read a file or folder, and who besides its owner may write it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from pathlib import Path


def written_by(path: Path, uid: int) -> str:
    """Who besides `uid` and root may write it, in words; "" when nobody, or it is not there.

    A group of which its owner is the only member, as many systems give everybody, is the owner.
    """
    try:
        about = path.stat()
    except OSError:
        return ""
    if about.st_uid not in (0, uid):
        return user(about.st_uid)
    if about.st_mode & stat.S_IWOTH:
        return "everybody"
    if about.st_mode & stat.S_IWGRP and not _is_private(about.st_gid, about.st_uid):
        return f"the group {group(about.st_gid)}"
    return ""


def replaced_by(path: Path, uid: int) -> str:
    """Who besides `uid` and root could write it or put another file in its place; "" for nobody.

    The sticky bit of a folder (as /tmp has it) keeps others from that.
    """
    folder = path.parent
    try:
        sticky = bool(folder.stat().st_mode & stat.S_ISVTX)
    except OSError:
        return ""
    return written_by(path, uid) or ("" if sticky else written_by(folder, uid))


def may_read(path: Path, uid: int) -> bool:
    """Whether this user may read a file, or look into a folder; root asks as that user.

    Where root may not become another user, as in some containers, that is not known: True.
    """
    wanted = "rx" if path.is_dir() else "r"
    if os.geteuid() != 0 or uid == 0:
        return os.access(path, os.R_OK | (os.X_OK if "x" in wanted else 0))
    own = groups(uid)
    try:
        return all(
            subprocess.call(["test", f"-{bit}", path], user=uid, group=own[0], extra_groups=own)
            == 0
            for bit in wanted
        )
    except PermissionError:
        return True


def may_write(path: Path, uid: int) -> bool:
    """Whether this user may put files into a folder, by its mode."""
    about = path.stat()
    if uid == 0:
        return True
    if uid == about.st_uid:
        bit = stat.S_IWUSR
    elif about.st_gid in groups(uid):
        bit = stat.S_IWGRP
    else:
        bit = stat.S_IWOTH
    return bool(about.st_mode & bit and about.st_mode & (bit >> 1))


def groups(uid: int) -> list[int]:
    """The groups of a user; of one without a name, ours."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return [os.getegid(), *os.getgroups()]
    return os.getgrouplist(entry.pw_name, entry.pw_gid)


def user(uid: int) -> str:
    """A user's name, its number when there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group(gid: int) -> str:
    """A group's name, its number when there is none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _is_private(gid: int, uid: int) -> bool:
    """Whether nobody but this user is in the group."""
    members = {pwd.struct_passwd(entry).pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid}
    try:
        members |= {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(gid).gr_mem}
    except KeyError:
        pass  # a group or member without an entry lets nobody in
    return members <= {uid, 0}
