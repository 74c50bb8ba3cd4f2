"""Old messages and entries go; what waits and what is young stays."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.journals.keep import tables, write

from housecarl import config_file
from housecarl.errors import StorageError
from housecarl.journal import Database, connect, jobs, past, receipts, replies, runs, values
from housecarl.journal.receipts import Receipt
from housecarl.journal.replies import Outgoing
from housecarl.journal.runs import Run
from housecarl.message.name import make_name
from housecarl.retention import Sweeper, sweep_folder
from housecarl.spool import State
from housecarl.testing.clock import START, FakeClock
from housecarl.testing.house import TestHouse

DAY = 86400.0


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*.eml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten files of 100 bytes, the n-th came n days ago; its name tells, the file was copied now."""
    for n in range(10):
        month = tmp_path / f"2026-{n + 1:02}"
        month.mkdir()
        (month / make_name(START - n * timedelta(days=1))).write_bytes(b"x" * 100)
    return tmp_path


def days(root: Path) -> list[int]:
    """How many days ago each file that is left came."""
    return [(START - datetime.strptime(f"{n[:8]}Z", "%Y%m%d%z")).days for n in files(root)][::-1]


@pytest.mark.parametrize("part", [2, 5000])
def test_files_beyond_their_age_go_and_empty_months_with_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr("housecarl.retention.PART", part)
    assert sweep_folder(folder, 4.5 * DAY, 10**6, START) == 5
    assert days(folder) == [0, 1, 2, 3, 4]
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize("part", [2, 5000])
def test_beyond_the_size_the_oldest_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr("housecarl.retention.PART", part)
    assert sweep_folder(folder, 100 * DAY, 350, START) == 7
    assert days(folder) == [0, 1, 2]
    assert sweep_folder(folder, 100 * DAY, 350, START) == 0


@pytest.mark.parametrize(
    ("age", "size", "left"), [(4.5, 10**6, [0, 1, 2, 3, 4, 9]), (100, 350, [0, 1, 9])]
)
def test_a_file_that_cannot_be_removed_is_named_counts_and_keeps_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, age: float, size: int, left: list[int]
) -> None:
    (stuck,) = (folder / "2026-10").iterdir()
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == stuck:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with capture_logs() as logs:
        assert sweep_folder(folder, age * DAY, size, START) == 10 - len(left)
    assert days(folder) == left
    assert [(line["file"], line["why"]) for line in logs] == [
        (str(stuck), "Operation not permitted")
    ]


def test_where_a_link_leads_nothing_is_removed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "2026-01"
    swept = tmp_path / "swept"
    swept.mkdir()
    (swept / "link").symlink_to(elsewhere)
    assert sweep_folder(swept, 0.0, 0, START + timedelta(days=1)) == 0
    assert len(files(elsewhere)) == 1


def test_a_file_without_a_time_in_its_name_is_as_old_as_it_is(tmp_path: Path) -> None:
    for name, age in (("old.eml", 2 * DAY), ("young.eml", 0), ("notes.txt", 2 * DAY)):
        path = tmp_path / name
        path.touch()
        os.utime(path, (START.timestamp() - age, START.timestamp() - age))
    assert sweep_folder(tmp_path, DAY, 10**6, START) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"young.eml", "notes.txt"}


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


#: A time by which all in the kept journals is old, and one before any of it.
LATE, EARLY = 1.9e9, 1.7e9

#: What a sweep never forgets by age: what waits, and what is not about the past.
KEPT = {"conditions", "pages", "people_off", "stored", "ways"}


def test_everything_old_goes_and_what_waits_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("2", tmp_path / "journal")
    monkeypatch.setattr(past, "CHUNK", 2)
    with closing(connect(tmp_path / "journal")) as conn:
        before = tables(conn)
        assert past.forget_rest(conn, EARLY, EARLY) == past.forget(conn, EARLY) == 0
        assert tables(conn) == before
        while past.forget(conn, LATE) or past.forget_rest(conn, LATE, LATE):
            pass
        left = {table for table, rows in tables(conn).items() if rows}
        assert left - KEPT == {"codes", "jobs", "receipts", "replies"}
        for table in ("codes", "jobs", "receipts", "replies"):
            assert [*conn.execute(f"SELECT 1 FROM {table} WHERE state <> 'waiting'")] == []


def test_the_number_of_a_job_that_is_forgotten_is_not_that_of_another(tmp_path: Path) -> None:
    """Who cancels it by an old text would end the other."""
    with closing(connect(tmp_path / "journal")) as conn:
        numbers = []
        for _ in range(3):
            numbers.append(jobs.add(conn, "ann", "[]", 1.0, None, "", 1.0))
            assert jobs.close(conn, numbers[-1], "cancelled")
            while past.forget_rest(conn, LATE, LATE):
                pass
        assert numbers == [1, 2, 3]
        assert len(tables(conn)["jobs"]) == 1


def test_what_says_the_same_message_stays_longer_than_the_message(tmp_path: Path) -> None:
    write("2", tmp_path / "journal")
    with closing(connect(tmp_path / "journal")) as conn:
        while past.forget(conn, LATE) or past.forget_rest(conn, LATE, EARLY):
            pass
        assert len(tables(conn)["keys"]) == 4
        assert len(tables(conn)["totp_steps"]) == 1


def test_no_transaction_of_a_sweep_takes_more_than_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "CHUNK", 3)
    with closing(connect(tmp_path / "journal")) as conn:
        fill(conn, 10, START.timestamp())
        assert [past.forget(conn, LATE) for _ in range(5)] == [3, 3, 3, 1, 0]
        for n in range(10):
            values.read(conn, "energy", "lamp", float(n), 40.0)
            values.read(conn, "energy", "heater", float(n), 40.0)
        # keys, readings of two plugs
        assert [past.forget_rest(conn, LATE, LATE) for _ in range(5)] == [9, 9, 9, 3, 0]


def test_a_transaction_of_a_sweep_costs_the_same_however_long_a_series_is(tmp_path: Path) -> None:
    """Messages wait behind it, so it steps over the readings that stay and does not read them."""

    def instructions(path: Path, length: int) -> int:
        with closing(connect(path)) as conn:
            conn.execute("BEGIN")
            for n in range(length):
                for series in ("heater", "lamp"):
                    values.read(conn, "energy", series, float(n), 40.0)
                values.read(conn, "tank", "level", float(n), 40.0)
            conn.execute("COMMIT")
            hundreds = 0

            def count() -> int:
                nonlocal hundreds
                hundreds += 1
                return 0

            conn.set_progress_handler(count, 100)
            assert past.forget_rest(conn, 0.0, 0.0) == 0
            conn.set_progress_handler(None, 0)
            return hundreds * 100

    assert instructions(tmp_path / "long", 2000) == instructions(tmp_path / "short", 10)


def fill(conn: sqlite3.Connection, count: int, last: float) -> None:
    """So many messages with run, reply and key, an hour apart; the newest came at `last`."""
    conn.execute("BEGIN")
    for n in range(count):
        if n % 100 == 99:
            conn.execute("COMMIT")
            conn.execute("BEGIN")
        at = last - (count - 1 - n) * 3600
        identity = hashlib.sha256(str(at).encode()).hexdigest()[:16]
        found = Receipt(identity, f"{identity}.eml", at, "smtp", state="executed")
        receipts.store(conn, found, [f"id:<{identity}@example.org>"])
        runs.finish(conn, Run(identity, 0, ("x",), "ann", "look", at, at, "done", "x" * 150))
        out = Outgoing("ann", "reply", "a@b.example", f"<{n}@x>", "x" * 150, b"", at, identity)
        replies.sent(conn, [replies.add(conn, out)], at)
    conn.execute("COMMIT")


@pytest.fixture
async def sweeper(tmp_path: Path) -> AsyncIterator[Sweeper]:
    """One that keeps a megabyte of the journal."""
    path = tmp_path / "housecarl.yaml"
    path.write_text("spool: spool\nretention: {journal: {size: 1M}}\n")
    config = config_file.load(path).config
    for state in State:
        (config.spool / state).mkdir(parents=True)
    db = Database(tmp_path / "journal.sqlite")
    db.open()
    yield Sweeper(config, db, FakeClock())
    await db.close()


@pytest.mark.long
async def test_beyond_its_size_the_journal_forgets_the_oldest_and_its_file_grows_no_more(
    sweeper: Sweeper,
) -> None:
    db, now = sweeper.db, START.timestamp()
    sizes, logs = [], []
    for n in range(4):
        with closing(connect(db.path)) as conn:
            fill(conn, 1500, now + n * 1500 * 3600)
        await sweeper.sweep()
        assert 0.7 * 2**20 < await db.read(past.used_bytes) <= 2**20
        sizes.append(db.path.stat().st_size)
        logs.append(db.path.with_name(f"{db.path.name}-wal").stat().st_size)
    left = await db.read(lambda conn: receipts.listing(conn, limit=10_000))
    assert left[0].arrived == now + 3 * 1500 * 3600
    assert len(left) > 200 and left[0].arrived - left[-1].arrived == (len(left) - 1) * 3600
    assert sizes[-1] < 1.1 * sizes[1] and logs[-1] < 1.1 * logs[1]


async def test_what_modules_keep_is_not_forgotten_for_its_size(sweeper: Sweeper) -> None:
    """The sweep ends where no message is left to forget."""

    def keep(conn: sqlite3.Connection) -> None:
        for n in range(20):
            values.put(conn, "camera", str(n), "x" * 60_000, 0.0)

    await sweeper.db.write(keep)
    async with asyncio.timeout(10):
        await sweeper.sweep()
    assert await sweeper.db.read(past.used_bytes) > 2**20
    assert await sweeper.db.read(lambda conn: values.get(conn, "camera", "0")) == "x" * 60_000


async def test_a_folder_that_cannot_be_read_does_not_keep_the_rest_from_being_swept(
    sweeper: Sweeper,
) -> None:
    (sweeper.config.spool / "executed").rmdir()
    old = sweeper.config.spool / "refused" / make_name(datetime(2020, 1, 1, tzinfo=UTC))
    old.touch()
    await sweeper.db.write(lambda conn: receipts.store(conn, Receipt("a", "a", 0.0, "", state="x")))
    await sweeper.sweep()
    assert not old.exists()
    assert await sweeper.db.read(lambda conn: receipts.find(conn, "a")) is None


@pytest.mark.parametrize("fault", [StorageError("disk I/O error"), RuntimeError("of ours")])
async def test_a_sweep_that_fails_is_tried_again(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr("housecarl.retention.FIRST_SECONDS", 0.0)
    monkeypatch.setattr("housecarl.retention.EVERY_SECONDS", 0.0)
    tried: asyncio.Queue[None] = asyncio.Queue()

    async def fail(_: Sweeper) -> None:
        tried.put_nowait(None)
        raise fault

    monkeypatch.setattr(Sweeper, "sweep", fail)
    running = asyncio.create_task(sweeper.run())
    async with asyncio.timeout(10):
        for _ in range(2):
            await tried.get()
    running.cancel()


async def test_an_hour_after_the_start_it_sweeps_and_then_once_a_day(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[float | str] = []

    async def rest(seconds: float) -> None:
        done.append(seconds)
        if len(done) > 4:
            raise asyncio.CancelledError

    async def sweep(_: Sweeper) -> None:
        done.append("sweep")

    monkeypatch.setattr("housecarl.retention.asyncio.sleep", rest)
    monkeypatch.setattr(Sweeper, "sweep", sweep)
    with pytest.raises(asyncio.CancelledError):
        await sweeper.run()
    assert done == [3600, "sweep", DAY, "sweep", DAY]


async def test_a_short_memory_of_messages_forgets_no_key_that_a_repeat_may_have(
    sweeper: Sweeper,
) -> None:
    """What is asked for is a small journal, and not that a change is done again."""
    config = sweeper.config
    journal = config.retention.journal.model_copy(update={"age": DAY})
    retention = config.retention.model_copy(update={"journal": journal})
    short = replace(sweeper, config=config.model_copy(update={"retention": retention}))
    days = config.trust.remember / DAY
    with closing(connect(sweeper.db.path)) as conn:
        for ago in (0.5, days - 1, days + 1):
            fill(conn, 1, START.timestamp() - ago * DAY)
    await short.sweep()
    with closing(connect(sweeper.db.path)) as conn:
        assert [len(tables(conn)[name]) for name in ("receipts", "keys")] == [1, 2]


def test_the_house_sweeps_by_its_configuration(tmp_path: Path) -> None:
    keep = {"age": "1s", "size": "1M"}
    retention = {"refused": {**keep}, "executed": {**keep}}
    clock = FakeClock()
    with TestHouse(tmp_path, clock=clock, retention=retention) as house:
        phone = house.phone()
        phone.text("!uptime")
        phone.wait()
        house.settle()
        assert len(files(house.spool)) == 1
        clock.move(2)
        assert house.daemon is not None and house.daemon.house is not None
        house.do(house.daemon.house.sweeper.sweep())
        assert files(house.spool) == []
