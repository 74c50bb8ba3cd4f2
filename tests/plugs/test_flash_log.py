"""The one row of a flash: over all processes one gets it, and nobody frees another's."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from housecarl import life
from housecarl.clock import SystemClock
from housecarl.journal import Database
from housecarl.means import JournalStore
from housecarl.plugs.flash_log import StoreLog

#: times that two processes want to flash at the same moment
RACES = 20

#: tells for each line of its input whether this process may flash
RIVAL = """
import asyncio, sys
from pathlib import Path
from housecarl.clock import SystemClock
from housecarl.journal import Database
from housecarl.means import JournalStore
from housecarl.plugs.flash_log import StoreLog

async def main():
    db = Database(Path(sys.argv[1]))
    db.open()
    for line in sys.stdin:
        log = StoreLog(JournalStore(db, line.strip(), SystemClock()))
        print(await log.claim("lamp", {}), flush=True)
    await db.close()

asyncio.run(main())
"""


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[list[JournalStore]]:
    """The firmware module's store, twice: two databases on one file, as two processes have."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            db = Database(tmp_path / "journal.sqlite")
            db.open()
            stack.push_async_callback(db.close)
            found.append(JournalStore(db, "firmware", SystemClock()))
        yield found


@pytest.mark.long
async def test_of_two_processes_one_may_flash(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    rivals = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RIVAL,
            str(path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for race in range(RACES):
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write(f"race{race}\n".encode())
        answers = [await asyncio.wait_for(r.stdout.readline(), 20) for r in rivals if r.stdout]
        assert sorted(answers) == [b"False\n", b"True\n"], f"race {race}"
    for rival in rivals:
        await asyncio.wait_for(rival.communicate(b""), 10)


async def test_a_flash_that_ended_is_freed_by_one_and_the_next_one_is_safe(
    stores: list[JournalStore],
) -> None:
    """Two who find the same dead flash both note its end; the second frees nobody else's row."""
    mine, other = StoreLog(stores[0]), StoreLog(stores[1])
    assert await StoreLog(stores[0]).claim("lamp", {"target": "1.2.3"})
    assert await mine.unfinished() and await other.unfinished()
    await mine.finish("it was NOT flashed")
    assert await StoreLog(stores[0]).claim("fan", {})
    await other.finish("it was NOT flashed")
    assert [row.plug for row in await mine.unfinished()] == ["fan"]


async def test_a_flash_whose_row_was_taken_writes_over_nobody(stores: list[JournalStore]) -> None:
    log = StoreLog(stores[0])
    assert await log.claim("lamp", {})
    await log.step("serve")
    found = StoreLog(stores[1])
    await found.unfinished()
    await found.finish("told by hand")
    assert await StoreLog(stores[1]).claim("fan", {})
    await log.step("commit")
    await log.finish("flashed")
    assert [(row.plug, row.last) for row in await found.unfinished()] == [("fan", "claim")]


async def test_a_flash_that_was_cut_off_in_a_process_that_lives_on_is_not_live(
    stores: list[JournalStore],
) -> None:
    log = StoreLog(stores[0])
    assert await log.claim("lamp", {})
    assert [row.live for row in await StoreLog(stores[1]).unfinished()] == [True]
    log.leave()
    assert [row.live for row in await StoreLog(stores[1]).unfinished()] == [False]


async def test_a_flash_that_was_cut_off_while_it_was_written_down_is_not_live(
    stores: list[JournalStore], tmp_path: Path
) -> None:
    """The disk hangs until the time of the command is over; then it is written after all."""
    other = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await StoreLog(stores[0]).claim("lamp", {})
        other.execute("COMMIT")
    await stores[0].set("written", "after it")
    assert [row.live for row in await StoreLog(stores[0]).unfinished()] == [False]


async def test_a_flash_stays_live_when_the_clock_is_set(
    stores: list[JournalStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that is set the machine booted at another time; no second flash begins."""
    assert await StoreLog(stores[0]).claim("lamp", {})
    booted = psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: booted + 1.0)
    assert [row.live for row in await StoreLog(stores[1]).unfinished()] == [True]


def test_a_process_number_that_came_back_is_another_process() -> None:
    """Neither one of this boot that began at another tick, nor one of another boot."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        boot = str(life.mark()["born"]).split()[0]
        began = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19]
        for born, live in (
            (f"{boot} {began}", True),
            (f"{boot} {int(began) - 1}", False),
            (f"another {began}", False),
        ):
            assert life.runs({"pid": other.pid, "born": born}) is live
        other.communicate(b"\n", 10)
    assert not life.runs({"pid": other.pid, "born": f"{boot} {began}"})
