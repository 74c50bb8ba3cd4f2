"""What a disk says is heard."""

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
