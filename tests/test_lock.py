"""One daemon to a spool, and what keeps it from serving can be asked while it holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import psutil
import pytest

from housecarl.errors import JournalError, SpoolGone, StorageError
from housecarl.lock import MAX_TEXT, Lock, held


def test_a_folder_is_held_by_one_until_it_is_released(tmp_path: Path) -> None:
    folder = tmp_path / "spool" / ".journal"
    assert held(folder) is None
    lock = Lock(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert held(folder) == ""
    opened = psutil.Process().num_fds()
    with pytest.raises(JournalError, match="another housecarl already serves the spool"):
        Lock(folder)
    assert psutil.Process().num_fds() == opened
    lock.release()
    assert held(folder) is None
    Lock(folder).release()


def test_who_only_asks_keeps_no_daemon_from_starting(tmp_path: Path) -> None:
    Lock(tmp_path).release()
    with (tmp_path / "lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)  # as `status` does for an instant
        answered = threading.Timer(0.02, fcntl.flock, (asking, fcntl.LOCK_UN))
        answered.start()
        Lock(tmp_path).release()
        answered.join()


def test_a_start_that_waits_for_a_verb_keeps_no_other_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that start beside a verb one serves: neither holds anything while it waits."""
    Lock(tmp_path).release()
    others: list[Lock] = []
    with (tmp_path / "lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)

        def meanwhile(_: float) -> None:
            fcntl.flock(asking, fcntl.LOCK_UN)
            monkeypatch.undo()
            others.append(Lock(tmp_path))

        monkeypatch.setattr("housecarl.lock.time.sleep", meanwhile)
        with pytest.raises(JournalError, match="another housecarl already serves the spool"):
            Lock(tmp_path)
    assert len(others) == 1


def test_what_its_holder_says_is_heard_until_it_says_something_else(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.say("the disk is full")
    assert held(tmp_path) == "the disk is full"
    lock.say("x" * 2 * MAX_TEXT)
    assert held(tmp_path) == "x" * MAX_TEXT
    assert (tmp_path / "lock").stat().st_size == MAX_TEXT
    lock.say("")
    assert held(tmp_path) == ""
    lock.say("gone before this was over")
    lock.release()
    Lock(tmp_path)
    assert held(tmp_path) == ""


def test_who_let_go_of_it_by_itself_is_told_from_who_was_killed(tmp_path: Path) -> None:
    first = Lock(tmp_path)
    first.former_killed = False  # what that one left is taken up
    first.say("the disk is full")
    first.release()
    second = Lock(tmp_path)
    assert not second.former_killed
    assert held(tmp_path) == ""
    os.close(second._fd)  # as the kernel does
    third = Lock(tmp_path)
    assert third.former_killed
    third.release()  # it could not open its house
    assert Lock(tmp_path).former_killed


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        Lock(tmp_path / "file" / "spool")


def test_a_disk_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one of the network whose server knows none; a reload goes on with the former."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    said = f"spool {tmp_path}: No locks available: {tmp_path}/.journal/lock"
    with pytest.raises(StorageError, match=f"^{said}$"):
        Lock(tmp_path / ".journal")


def test_a_disk_that_was_mounted_anew_is_held_again(tmp_path: Path) -> None:
    """One that was pulled out and put back has another number then, and the lock of before went."""
    lock = Lock(tmp_path)
    fcntl.flock(lock._fd, fcntl.LOCK_UN)
    there = list(lock._file)
    there[2] += 1  # st_dev
    lock._file = os.stat_result(there)
    other = Lock(tmp_path)
    with pytest.raises(SpoolGone, match="is of another spool"):
        lock.see(tmp_path)
    other.release()
    opened = psutil.Process().num_fds()
    lock.see(tmp_path)
    assert lock.holds(tmp_path)
    assert psutil.Process().num_fds() == opened
    assert not os.get_inheritable(lock._fd)
    with pytest.raises(JournalError, match="another housecarl already serves the spool"):
        Lock(tmp_path)
