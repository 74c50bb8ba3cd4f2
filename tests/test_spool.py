"""The spool: whole or not there, one rename a step, refused when there is no room."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from housecarl import disk
from housecarl.errors import MessageGone, SpoolFull, StorageError
from housecarl.message.name import id_of, make_name
from housecarl.message.stamp import Stamp, split
from housecarl.spool import CROWD, FRESH, TMP_SECONDS, Spool, State
from housecarl.stored import names_in

STAMP = Stamp("smtp", datetime(2026, 11, 23, 12, 0, tzinfo=UTC), peer="192.0.2.1")


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool", reserve=0)
    spool.open()
    await spool.start()
    yield spool
    await spool.stop()


def names(spool: Spool) -> dict[str, int]:
    """How many messages are in each folder."""
    counts = {s.value: len(list((spool.root / s).rglob("*.eml"))) for s in State}
    return {name: n for name, n in counts.items() if n}


async def test_a_message_is_whole_in_new_with_its_stamp_when_put_returns(spool: Spool) -> None:
    name = await spool.put(b"Subject: x\r\n\r\nhello\r\n", STAMP)
    path = spool.root / "new" / name
    assert split(path.read_bytes()) == (STAMP, b"Subject: x\r\n\r\nhello\r\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(spool) == {"new": 1}
    assert list((spool.root / "tmp").iterdir()) == []


async def test_a_disk_that_takes_a_little_at_a_time_gets_all_of_a_message(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is nearly full does, and says so only when it is asked for the rest."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    name = await spool.put(b"Subject: x\r\n\r\nhello\r\n", STAMP)
    found = split((spool.root / "new" / name).read_bytes())
    assert found == (STAMP, b"Subject: x\r\n\r\nhello\r\n")


@pytest.fixture
def in_denver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of the machine is not UTC's."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/Denver")
        time.tzset()
        yield
    time.tzset()


def test_a_name_is_the_time_in_utc_and_an_id_of_16_hex_digits(in_denver: None) -> None:
    here = datetime(2026, 11, 23, 5, 0, 0, 7, tzinfo=timezone(timedelta(hours=-7)))
    name = make_name(here)
    found = re.fullmatch(r"20261123T120000\.000007-([0-9a-f]{16})\.eml", name)
    assert found is not None and id_of(name) == found[1]


def test_what_a_reply_shows_of_an_id_tells_the_last_thousands_apart() -> None:
    """Four random digits would be those of another message before the three hundredth."""
    assert len({id_of(make_name(STAMP.arrived))[:4] for _ in range(5000)}) == 5000


async def test_messages_put_at_once_are_all_kept(spool: Spool) -> None:
    put = await asyncio.gather(*(spool.put(b"%d" % n, STAMP) for n in range(50)))
    assert len(set(put)) == 50
    assert names(spool) == {"new": 50}
    assert await spool.waiting(State.NEW) == sorted(put)


async def test_a_message_keeps_its_name_through_every_state(spool: Spool) -> None:
    name = await spool.put(b"x", STAMP)
    assert await spool.take(name) == (STAMP, b"x")
    spool.move(name, State.WORK, State.EXECUTED)
    await spool.settle()
    assert (spool.root / "executed" / "2026-11" / name).is_file()


async def test_what_is_taken_soon_lies_in_work(spool: Spool) -> None:
    name = await spool.put(b"x", STAMP)
    await spool.take(name)
    await spool.settle()
    assert await spool.waiting(State.WORK) == [name]


async def test_renames_that_go_well_are_no_trouble(spool: Spool) -> None:
    name = await spool.put(b"x", STAMP)
    spool.move(name, State.NEW, State.EXECUTED)
    await spool.stop()
    await asyncio.sleep(0)  # whatever the disk thread told the loop has been heard
    assert spool.trouble is not None and not spool.trouble.done()
    month = spool.root / "executed" / "2026-11"
    assert month.stat().st_mode & 0o777 == 0o700


async def test_what_was_just_put_is_taken_without_the_disk(spool: Spool) -> None:
    """The last ones only, so that a flood does not fill the memory."""
    put = await asyncio.gather(*(spool.put(b"put", STAMP) for _ in range(FRESH + 1)))
    for name in put:
        (spool.root / "new" / name).write_bytes(b"written since")
    assert await spool.take(put[0]) == (None, b"written since")
    assert [await spool.take(name) for name in put[1:]] == [(STAMP, b"put")] * FRESH


async def test_who_asks_for_the_disk_waits_behind_what_was_asked_before(spool: Spool) -> None:
    order: list[str] = []
    hold = threading.Event()

    def slow() -> None:
        hold.wait(10)
        order.append("slow")

    first = asyncio.create_task(spool.ask(slow))
    second = asyncio.create_task(spool.ask(lambda: order.append("quick")))
    asyncio.get_running_loop().call_later(0.05, hold.set)
    await asyncio.gather(first, second)
    assert order == ["slow", "quick"]


async def test_a_message_of_the_last_life_is_read_from_the_disk(tmp_path: Path) -> None:
    first = Spool(tmp_path, reserve=0)
    first.open()
    await first.start()
    name = await first.put(b"kept", STAMP)
    await first.stop()
    second = Spool(tmp_path, reserve=0)
    second.open()
    await second.start()
    assert await second.take(name) == (STAMP, b"kept")
    await second.settle()
    assert names(second) == {"work": 1}
    await second.stop()


async def test_without_room_nothing_is_stored_and_the_sender_may_try_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve=1 << 60)
    spool.open()
    await spool.start()
    with pytest.raises(SpoolFull):
        await spool.put(b"x", STAMP)
    assert names(spool) == {}
    await spool.stop()


async def test_room_is_what_stays_free_below_all_that_is_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(STAMP.line()) + 100
    spool = Spool(tmp_path, reserve=4096)
    spool.open()
    await spool.start()
    room = SimpleNamespace(f_bavail=4096 + 2 * size - 1, f_frsize=1)
    monkeypatch.setattr("os.statvfs", lambda _: room)
    both = (spool.put(b"x" * 100, STAMP) for _ in range(2))
    results = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in results] == [SpoolFull] * 2
    name = await spool.put(b"x" * 100, STAMP)
    assert await spool.waiting(State.NEW) == [name]
    await spool.stop()


async def test_what_comes_while_one_is_synced_is_synced_together(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("housecarl.spool.sync_folder", synced.append)
    hold = threading.Event()
    busy = asyncio.create_task(spool.ask(lambda: hold.wait(10)))
    puts = []
    for _ in range(4):
        puts.append(asyncio.create_task(spool.put(b"x", STAMP)))
        for _ in range(3):
            await asyncio.sleep(0)  # each comes after the one before is on its way
    hold.set()
    await asyncio.gather(busy, *puts)
    assert len(synced) == 2, "the first alone, then the other three"
    assert names(spool) == {"new": 4}


async def test_in_a_crowd_the_next_messages_wait_for_more_and_are_synced_together(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("housecarl.spool.sync_folder", synced.append)
    monkeypatch.setattr("housecarl.spool.GATHER_SECONDS", 0.2)
    hold = threading.Event()
    busy = asyncio.create_task(spool.ask(lambda: hold.wait(10)))
    crowd = [asyncio.create_task(spool.put(b"x", STAMP)) for _ in range(CROWD)]
    for _ in range(3):
        await asyncio.sleep(0)  # they are on their way
    meanwhile = asyncio.create_task(spool.put(b"x", STAMP))
    hold.set()
    await asyncio.gather(busy, *crowd)
    await asyncio.gather(meanwhile, spool.put(b"x", STAMP))
    assert len(synced) == 2, "the crowd, then one that came meanwhile with one that came later"


async def test_who_is_alone_never_waits_for_more(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.spool.GATHER_SECONDS", 3600.0)
    for n in range(3):
        await spool.put(b"x", STAMP)
        assert names(spool) == {"new": n + 1}
    hold = threading.Event()
    busy = asyncio.create_task(spool.ask(lambda: hold.wait(10)))
    one = asyncio.create_task(spool.put(b"x", STAMP))
    for _ in range(3):
        await asyncio.sleep(0)  # it is on its way
    hold.set()
    await asyncio.gather(busy, one, spool.put(b"x", STAMP))
    assert spool._timer.cancelled()


async def test_while_the_disk_hangs_nobody_waits_longer_than_it_may_and_nothing_is_kept(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = spool._write

    def watched(name: str, data: bytes, *, sync: bool) -> StorageError | None:
        written.append(data[-1:])
        return write(name, data, sync=sync)

    monkeypatch.setattr(spool, "_write", watched)
    spool.patience = 0.05
    hold = threading.Event()
    busy = asyncio.create_task(spool.ask(lambda: hold.wait(10)))
    first = asyncio.create_task(spool.put(b"x", STAMP))
    for _ in range(3):
        await asyncio.sleep(0)  # it is on its way
    for put in (first, spool.put(b"y", STAMP), spool.put(b"y", STAMP)):
        with pytest.raises(StorageError, match=r"the disk took nothing in 0\.05 s"):
            await put
    hold.set()
    await busy
    await spool.settle()  # what hung is through: who comes now is not in its company
    spool.patience = 60.0
    name = await spool.put(b"x", STAMP)
    await spool.settle()
    assert await spool.waiting(State.NEW) == [name]
    assert names(spool) == {"new": 1}
    assert written == [b"x", b"x"], "what nobody waits for any more is not written at all"


async def test_once_all_is_put_the_disk_is_left_alone(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[object] = []
    monkeypatch.setattr("housecarl.spool.sync_folder", synced.append)
    await spool.put(b"x", STAMP)
    for _ in range(9):
        await spool.settle()
    assert len(synced) == 1


async def test_one_message_alone_does_not_flush_the_whole_disk(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr("housecarl.spool.sync_filesystem", flushed.append)
    await spool.put(b"x", STAMP)
    assert flushed == []
    await asyncio.gather(*(spool.put(b"x", STAMP) for _ in range(2)))
    assert flushed == [spool.root]


async def test_of_a_message_whose_bringer_is_gone_nothing_stays(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its wait ends before the disk has it, or in the moment it is told."""
    made: list[str] = []

    def note(arrived: datetime) -> str:
        made.append(make_name(arrived))
        return made[-1]

    monkeypatch.setattr("housecarl.spool.make_name", note)

    async def put_and_cancel_the_last() -> str:
        name = await spool.put(b"kept", STAMP)
        last.cancel()  # its file is safe by now, and nobody has heard so
        return name

    first = asyncio.create_task(spool.put(b"x", STAMP))
    kept = asyncio.create_task(put_and_cancel_the_last())
    last = asyncio.create_task(spool.put(b"x", STAMP))
    await asyncio.sleep(0)
    first.cancel()
    name = await kept
    for gone in (first, last):
        with pytest.raises(asyncio.CancelledError):
            await gone
    await spool.settle()
    assert await spool.waiting(State.NEW) == [name]
    assert len(made) == 3
    for each in set(made) - {name}:
        with pytest.raises(MessageGone):
            await spool.take(each)


async def test_after_the_stop_nothing_is_taken_and_nobody_waits_for_ever(spool: Spool) -> None:
    await spool.stop()
    gone, other = (asyncio.create_task(spool.put(b"x", STAMP)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(StorageError, match="^spool: put: cannot schedule new futures"):
        await asyncio.wait_for(other, 5)
    assert names(spool) == {}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("error", [OSError(5, "no way"), MemoryError("no way")], ids=type)
async def test_when_a_sync_fails_nothing_stays(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, count: int, error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("housecarl.spool.sync_folder", fail)
    results = await asyncio.gather(
        *(spool.put(b"x", STAMP) for _ in range(count)), return_exceptions=True
    )
    assert [repr(each) for each in results] == ["StorageError('spool: put: no way')"] * count
    assert names(spool) == {}
    assert list((spool.root / "tmp").iterdir()) == []


async def test_a_disk_that_takes_no_file_is_told_in_its_words(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("housecarl.spool.write_new", fail)
    with pytest.raises(StorageError, match="^spool: put: No space left on device$"):
        await spool.put(b"x", STAMP)
    assert names(spool) == {}


async def test_what_was_taken_back_is_not_looked_for_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each message would cost more than the one before, for as long as the house runs."""
    gone = asyncio.create_task(spool.put(b"x", STAMP))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await spool.settle()  # its file is written by now
    await spool.settle()  # and taken back
    removed: list[object] = []
    monkeypatch.setattr("os.unlink", lambda path, **_: removed.append(path))
    await spool.put(b"kept", STAMP)
    assert removed == []


async def test_two_messages_put_together_are_synced_together_or_not_taken(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("housecarl.spool.sync_filesystem", fail)
    put = (spool.put(b"x", STAMP) for _ in range(2))
    results = await asyncio.gather(*put, return_exceptions=True)
    assert [type(each) for each in results] == [StorageError] * 2
    assert names(spool) == {}


async def test_what_a_failing_disk_does_not_take_back_goes_with_the_next_message(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk_fails:
        for name in ("housecarl.spool.sync_folder", "os.fsync", "os.unlink"):
            disk_fails.setattr(name, fail)
        results = await asyncio.gather(
            *(spool.put(b"x", STAMP) for _ in range(3)), return_exceptions=True
        )
        with pytest.raises(StorageError):
            await spool.put(b"x", STAMP)
    assert all(isinstance(each, StorageError) for each in results)
    assert names(spool) == {"new": 3} and len(list((spool.root / "tmp").iterdir())) == 1
    name = await spool.put(b"kept", STAMP)
    assert await spool.waiting(State.NEW) == [name]
    assert list((spool.root / "tmp").iterdir()) == []


async def test_a_rename_that_fails_shows_in_trouble(spool: Spool) -> None:
    name = await spool.put(b"x", STAMP)
    (spool.root / "new" / name).unlink()
    spool.move(name, State.NEW, State.REFUSED)
    assert spool.trouble is not None
    trouble = await asyncio.wait_for(spool.trouble, 5)
    assert str(trouble) == f"spool: move into {spool.root}/refused: No such file or directory"


async def test_of_several_renames_that_fail_the_first_is_told(spool: Spool) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    for target in (State.WORK, State.FAILED):
        spool.move(make_name(datetime.now(UTC)), State.NEW, target)
        await spool.settle()
    assert not faults
    assert spool.trouble is not None
    assert "No such file or directory" in repr(spool.trouble.result())


async def test_a_rename_that_was_done_before_is_no_trouble(spool: Spool) -> None:
    """A restart repeats what the journal says; the first time counts."""
    name = await spool.put(b"x", STAMP)
    for _ in range(2):
        spool.move(name, State.NEW, State.EXECUTED)
        await spool.settle()
    assert spool.trouble is not None and not spool.trouble.done()
    assert names(spool) == {"executed": 1}


async def test_a_folder_that_cannot_be_read_is_told(spool: Spool) -> None:
    (spool.root / "failed").rmdir()
    with pytest.raises(StorageError, match=r"^spool: read: No such file or directory$"):
        await spool.waiting(State.FAILED)


async def test_a_message_that_was_taken_away_is_gone(spool: Spool) -> None:
    name = make_name(STAMP.arrived)
    with pytest.raises(MessageGone, match=name):
        await spool.take(name)


def test_only_files_without_a_dot_name_are_messages_oldest_first(tmp_path: Path) -> None:
    for name in ("b.eml", ".probe", "a.eml"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    assert names_in(tmp_path) == ["a.eml", "b.eml"]


def test_what_was_left_in_tmp_goes_when_it_is_old(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.open()
    for name, age in (("old", TMP_SECONDS + 60), ("young", 60)):
        path = tmp_path / "tmp" / name
        path.write_text("")
        os.utime(path, (time.time() - age, time.time() - age))
    spool.open()
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["young"]
    spool.open(alone=True)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_folder_in_tmp_is_left_alone(tmp_path: Path) -> None:
    """It kept the house from opening."""
    (tmp_path / "tmp" / "mine").mkdir(parents=True)
    Spool(tmp_path).open(alone=True)
    assert (tmp_path / "tmp" / "mine").is_dir()


@pytest.mark.long
async def test_it_may_be_opened_by_many_while_messages_are_put(spool: Spool) -> None:
    """Each verb that carries a message out opens it, beside the daemon and other verbs."""
    over = threading.Event()

    def open_often() -> None:
        while not over.is_set():
            Spool(spool.root).open()

    async def put_often() -> None:
        try:
            for _ in range(200):
                await spool.put(b"x", STAMP)
        finally:
            over.set()

    await asyncio.gather(put_often(), *(asyncio.to_thread(open_often) for _ in range(3)))
    assert names(spool) == {"new": 200}
    assert [*(spool.root / "tmp").iterdir()] == [] == [*(spool.root / "work").iterdir()]


def test_the_names_of_its_folders_are_on_the_disk_before_it_takes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    monkeypatch.setattr(
        "housecarl.spool.sync_folder",
        lambda path: synced.append({each.name for each in Path(path).iterdir()}),
    )
    Spool(tmp_path / "spool").open()
    assert synced == [{"tmp", ".journal", *State}]


def test_nobody_else_can_look_into_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the umask; what is tried on the way in has a dot name, so it is no message."""
    tried: list[tuple[str, str, int]] = []
    rename = Path.rename

    def seen(self: Path, target: Path) -> Path:
        tried.append((self.name[:1], target.name[:1], self.stat().st_mode & 0o777))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", seen)
    before = os.umask(0)
    try:
        Spool(tmp_path / "spool").open()
    finally:
        os.umask(before)
    for folder in ("tmp", ".journal", *State):
        assert (tmp_path / "spool" / folder).stat().st_mode & 0o777 == 0o700, folder
    assert tried == [(".", ".", 0o600)]


def test_a_spool_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Spool(tmp_path / "file" / "spool").open()


def test_a_new_file_never_overwrites(tmp_path: Path) -> None:
    disk.write_new(tmp_path / "a", b"1", sync=True)
    with pytest.raises(FileExistsError):
        disk.write_new(tmp_path / "a", b"2", sync=True)
    assert (tmp_path / "a").read_bytes() == b"1"


def test_what_a_crash_leaves_of_the_tried_rename_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path, **_: object) -> None:
        raise OSError(5, "killed here", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(StorageError, match="killed here"):
            Spool(tmp_path).open(alone=True)
    assert len([*(tmp_path / "work").iterdir()]) == 1
    Spool(tmp_path).open(alone=True)
    assert [*(tmp_path / "work").iterdir()] == []
