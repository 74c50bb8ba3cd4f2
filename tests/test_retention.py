"""Old messages and entries go; what waits and what is young stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from housecarl.journal import connect, past, receipts, replies, runs
from housecarl.journal.receipts import Receipt
from housecarl.journal.replies import Outgoing
from housecarl.journal.runs import Run
from housecarl.retention import sweep_folder
from housecarl.testing.house import TestHouse

DAY = 86400.0


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*.eml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten files of 100 bytes, the n-th n days old."""
    for n in range(10):
        month = tmp_path / f"2026-{n + 1:02}"
        month.mkdir()
        path = month / f"{n}.eml"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1e9 - n * DAY, 1e9 - n * DAY))
    return tmp_path


def test_files_beyond_their_age_go_and_empty_months_with_them(folder: Path) -> None:
    assert sweep_folder(folder, 4.5 * DAY, 10**6, 1e9) == 5
    assert files(folder) == ["0.eml", "1.eml", "2.eml", "3.eml", "4.eml"]
    assert len(list(folder.iterdir())) == 5


def test_beyond_the_size_the_oldest_go(folder: Path) -> None:
    assert sweep_folder(folder, 100 * DAY, 350, 1e9) == 7
    assert files(folder) == ["0.eml", "1.eml", "2.eml"]


def test_the_journal_forgets_the_old_and_keeps_what_is_open(tmp_path: Path) -> None:
    conn = connect(tmp_path / "journal.sqlite")
    for n, state in enumerate(("executed", "started", "executed")):
        identity = f"{n:016x}"
        receipts.store(conn, Receipt(identity, f"{n}.eml", 1000.0 * (n + 1), "smtp", state=state))
        runs.finish(conn, Run(identity, 0, ("x",), "ann", "look", 1.0, 2.0, "done"))
        out = Outgoing("ann", "reply", "a@b.example", "<1@x>", "text", b"mail", 1.0, identity)
        replies.add(conn, out)
    assert past.forget(conn, 2500.0) == 1
    assert past.forget(conn, 2500.0) == 0
    left = [receipt.file for receipt in receipts.listing(conn, limit=9)]
    assert left == ["2.eml", "1.eml"]
    assert runs.of(conn, f"{0:016x}") == []
    # its reply was never sent: it still waits
    assert len(replies.due(conn, 10.0, 9)) == 3
    conn.close()


def test_the_house_sweeps_by_its_configuration(tmp_path: Path) -> None:
    keep = {"age": "1s", "size": "1M"}
    retention = {"refused": {**keep}, "executed": {**keep}}
    with TestHouse(tmp_path, retention=retention) as house:
        phone = house.phone()
        phone.text("!uptime")
        phone.wait()
        house.settle()
        (path,) = house.spool.rglob("executed/*/*.eml")
        os.utime(path, (0, 0))
        assert house.daemon is not None and house.daemon.house is not None
        house.do(house.daemon.house.sweeper.sweep())
        assert files(house.spool) == []
