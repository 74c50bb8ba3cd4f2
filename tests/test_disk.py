"""What a disk says is heard, and what it does not say is not guessed."""

from __future__ import annotations

import ctypes
import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from housecarl import disk


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
