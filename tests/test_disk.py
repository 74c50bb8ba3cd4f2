"""What a disk says is heard, and what it does not say is not guessed."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from housecarl import disk, private_file


def test_a_write_error_that_the_file_system_kept_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """syncfs(2) is the last to tell that what was written before is lost."""

    def syncfs(_: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    disk.sync_filesystem(tmp_path)
    monkeypatch.setattr(disk, "_LIBC", SimpleNamespace(syncfs=syncfs))
    with pytest.raises(OSError, match="Input/output error") as caught:
        disk.sync_filesystem(tmp_path)
    assert caught.value.errno == errno.EIO


def test_what_cannot_be_told_is_not_taken_for_gone(tmp_path: Path) -> None:
    """A journal that a failing disk hides was "gone" on Python 3.14, and would be built anew."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert disk.is_there(tmp_path) and disk.is_there(tmp_path / "file")
    assert not disk.is_there(tmp_path / "none") and not disk.is_there(tmp_path / "file" / "below")
    with pytest.raises(OSError, match="symbolic links"):
        disk.is_there(tmp_path / "loop")


@pytest.mark.parametrize("nth", [1, 2])
def test_a_look_at_a_disk_that_does_not_sync_finds_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Neither the byte nor its name would be safe, and as little a message."""
    asked: list[int] = []

    def fsync(fd: int) -> None:
        asked.append(fd)
        if len(asked) == nth:
            raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "new").mkdir()
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        disk.try_way(tmp_path, tmp_path / "new")
    assert [*tmp_path.rglob("*")] == [tmp_path / "new"]


def test_a_file_of_its_owner_is_on_the_disk_before_it_takes_the_place_of_the_former(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could leave a password that is empty."""
    path, seen = tmp_path / "hash", list[tuple[str, bytes]]()
    private_file.write(path, "former")
    monkeypatch.setattr(
        os, "fsync", lambda fd: seen.append((path.read_text(), os.pread(fd, 99, 0)))
    )
    monkeypatch.setattr("housecarl.private_file.os.O_WRONLY", os.O_RDWR)
    private_file.write(path, "new")
    assert seen == [("former", b"new")]
    assert path.read_text() == "new"
