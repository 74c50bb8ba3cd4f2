"""The drop door: whole files of their owners, each once; anything else stays and is told."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs
from tests.nobody import needs_root, nobody

from housecarl.clock import SystemClock
from housecarl.doors import drop
from housecarl.doors.door import Deliver
from housecarl.doors.drop import DropDoor
from housecarl.doors.drop_text import as_message, split_as
from housecarl.errors import SpoolFull, StorageError
from housecarl.message import read
from housecarl.message.form import MAX_LINE, MAX_SIZE
from housecarl.message.stamp import Stamp
from housecarl.watch import Watch

PATIENCE = 5.0

WELL = True, "the spool is watched"


class Box:
    """Takes what the door delivers and what it tells."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[bytes, Stamp]] = asyncio.Queue()
        self.told: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.full = False
        self.fault = False
        self.deaf = False

    async def deliver(self, raw: bytes, stamp: Stamp) -> str:
        self.asked.set()
        if self.fault:
            raise ValueError("of our own making")
        if self.full:
            raise StorageError("full")
        self.got.put_nowait((raw, stamp))
        return "name"

    async def tell(self, name: str, ok: bool, text: str) -> None:
        if self.deaf:
            self.deaf = False
            raise StorageError("the journal takes nothing")
        self.told.put_nowait((ok, text))

    async def next(self) -> tuple[bytes, Stamp]:
        return await asyncio.wait_for(self.got.get(), PATIENCE)


@pytest.fixture
def box() -> Box:
    return Box()


@asynccontextmanager
async def watching(root: Path, deliver: Deliver, box: Box) -> AsyncIterator[DropDoor]:
    """A door on that folder; what it tells comes into the box."""
    watch = Watch()
    await watch.start()
    door = DropDoor(root, deliver, SystemClock(), box.tell, watch)
    await door.start()
    try:
        yield door
    finally:
        await door.stop()
        await watch.stop()


@pytest.fixture
async def door(tmp_path: Path, box: Box) -> AsyncIterator[DropDoor]:
    async with watching(tmp_path, box.deliver, box) as door:
        assert await asyncio.wait_for(box.told.get(), PATIENCE) == WELL
        yield door


async def gone(path: Path) -> None:
    """Until a file is removed; the door takes its name away first."""

    def left() -> bool:
        return path.exists() or any(path.parent.glob(f".taken-*-{path.name}"))

    async with asyncio.timeout(PATIENCE):
        while left():  # noqa: ASYNC110 - the door says nothing when it removes a file
            await asyncio.sleep(0.005)


async def test_a_file_is_taken_when_it_is_closed_and_not_before(
    door: DropDoor, tmp_path: Path, box: Box
) -> None:
    with (tmp_path / "note").open("w") as file:
        file.write("!upt")
        file.flush()
        (tmp_path / "other").write_text("!help\n")
        assert (await box.next())[0].endswith(b"!help\r\n")
        assert box.got.empty()
        file.write("ime\n")
    raw, stamp = await box.next()
    assert raw == b"Content-Type: text/plain; charset=utf-8\r\n\r\n!uptime\r\n"
    assert (stamp.door, stamp.uid) == ("drop", str(os.getuid()))
    await gone(tmp_path / "note")


async def test_a_file_that_is_renamed_in_is_taken_at_once(
    door: DropDoor, tmp_path: Path, box: Box
) -> None:
    (tmp_path / "note.part").write_text("!uptime\n")
    (tmp_path / ".hidden").write_text("!uptime\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "note.part").rename(tmp_path / "note")
    _, stamp = await box.next()
    assert stamp.key.endswith(":note")
    await gone(tmp_path / "note")
    assert box.got.empty()
    assert {path.name for path in tmp_path.iterdir()} == {".hidden", "folder"}


async def test_what_lay_there_before_is_taken_when_it_has_settled(tmp_path: Path, box: Box) -> None:
    (tmp_path / "old").write_text("!uptime\n")
    os.utime(tmp_path / "old", (1e9, 1e9))
    async with watching(tmp_path, box.deliver, box):
        await box.next()


async def test_a_file_arrived_when_it_was_dropped_not_when_it_is_taken(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon was down for a night: what was to be done in the evening is late, and in order."""
    for name in ("late", "a", "b"):
        (tmp_path / name).write_text("!heater on\n")
        os.utime(tmp_path / name, (1.0, 1.0))  # whatever its writer says
    (tmp_path / "late").rename(tmp_path / "c")
    dropped, night = time.time(), 8 * 3600.0
    morning = SimpleNamespace(time=lambda: time.time() + night, sleep=time.sleep)
    monkeypatch.setattr("housecarl.doors.drop.time", morning)
    async with watching(tmp_path, box.deliver, box):
        stamps = [(await box.next())[1] for _ in range(3)]
    assert [stamp.key.rpartition(":")[2] for stamp in stamps] == ["a", "b", "c"]
    arrived = [stamp.arrived.timestamp() + night for stamp in stamps]
    assert arrived == sorted(arrived) == pytest.approx([dropped] * 3, abs=PATIENCE)


@pytest.mark.parametrize("ahead", [3600, 366 * 86400])
async def test_a_file_with_a_time_in_the_future_is_taken(
    tmp_path: Path, box: Box, ahead: float
) -> None:
    """A clock was set back, or it came out of an archive: it lay there before the door opened."""
    path = tmp_path / "later.txt"
    path.write_text("!uptime\n")
    os.utime(path, (time.time() + ahead, time.time() + ahead))
    async with watching(tmp_path, box.deliver, box):
        raw, _ = await box.next()
        await gone(path)
    assert raw.endswith(b"!uptime\r\n")


async def test_names_that_are_no_text_are_taken_and_harm_no_log(
    door: DropDoor, tmp_path: Path, box: Box
) -> None:
    """A Linux name may be any bytes: the journal stores UTF-8, and a log line is one line."""
    for raw, told in ((b"\xff\xfe.txt", "\\udcff\\udcfe.txt"), (b"two\nlines", "two\\nlines")):
        path = tmp_path / os.fsdecode(raw)
        (tmp_path / "next.part").write_text("!uptime\n")
        (tmp_path / "next.part").rename(path)
        _, stamp = await box.next()
        assert stamp.key.endswith(":" + told)
        stamp.key.encode()
        await gone(path)
        path.write_bytes(b"x" * (MAX_SIZE + 1))
        ok, text = await asyncio.wait_for(box.told.get(), PATIENCE)
        assert not ok and text.startswith(told)
        path.unlink()
        (tmp_path / "after").write_text("!help\n")
        await box.next()
        await asyncio.wait_for(box.told.get(), PATIENCE)


async def test_a_file_that_breaks_the_door_is_told_and_the_next_is_taken(
    door: DropDoor, tmp_path: Path, box: Box
) -> None:
    box.fault = True
    (tmp_path / "bad").write_text("!uptime\n")
    ok, text = await asyncio.wait_for(box.told.get(), PATIENCE)
    assert (ok, text) == (False, "bad in the spool cannot be taken: see the log")
    box.fault = False
    (tmp_path / "good").write_text("!help\n")
    assert (await box.next())[0].endswith(b"!help\r\n")


@pytest.mark.parametrize(
    ("root", "why"), [("unmounted", "No such file or directory"), ("\0", "see the log")]
)
async def test_a_folder_that_cannot_be_read_is_told_and_looked_at_again(
    door: DropDoor, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch, root: str, why: str
) -> None:
    """Also when the first telling fails: the door never dies of either."""
    monkeypatch.setattr("housecarl.doors.drop.AGAIN_SECONDS", 0.05)
    box.deaf = True
    door.root = tmp_path / root
    (tmp_path / "hint").write_text("!uptime\n")
    told = await asyncio.wait_for(box.told.get(), PATIENCE)
    assert told == (False, f"the spool cannot be looked into: {why}")
    assert not box.deaf
    door.root = tmp_path
    assert await asyncio.wait_for(box.told.get(), PATIENCE) == WELL
    (tmp_path / "after").write_text("!help\n")
    assert (await box.next())[0].endswith(b"!help\r\n")


def test_a_file_that_comes_as_its_namesake_is_removed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = tmp_path / "job", drop._state
    path.write_text("first")
    os.utime(path, (1, 1))
    opened = psutil.Process().num_fds()
    dropped = drop._read(path)
    assert dropped is not None
    assert psutil.Process().num_fds() == opened, "each file would keep one open"

    def state_once_another_came(about: os.stat_result) -> str:
        path.write_text("second")
        return state(about)

    monkeypatch.setattr(drop, "_state", state_once_another_came)
    assert drop._remove(path, dropped)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("job", "second")]


async def test_files_that_somebody_else_removes_are_no_trouble(tmp_path: Path) -> None:
    """Neither the one that is being taken nor the next, which was there when we looked."""
    box = Box()

    async def deliver(raw: bytes, stamp: Stamp) -> str:
        for name in ("one", "two"):
            (tmp_path / name).unlink(missing_ok=True)
        return await box.deliver(raw, stamp)

    for at, name in enumerate(("one", "two", "three")):
        (tmp_path / name).write_text(f"!{name}\n")
        os.utime(tmp_path / name, (1e9 + at, 1e9 + at))
    async with watching(tmp_path, deliver, box):
        taken = [(await box.next())[0].rpartition(b"!")[2] for _ in range(2)]
        await gone(tmp_path / "three")
    assert taken == [b"one\r\n", b"three\r\n"]
    assert box.told.get_nowait() == WELL and box.told.empty()


def test_a_file_that_goes_while_the_folder_is_listed_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "there"):
        (tmp_path / name).touch()
    scandir = os.scandir

    def listed(root: Path) -> Any:
        entries = [*scandir(root)]
        (root / "gone").unlink()
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", listed)
    assert [name for name, _ in drop._candidates(tmp_path)] == ["there"]


@pytest.mark.parametrize(("after", "more"), [(b"", b"ime\n"), (b"!upt", b"x" * MAX_SIZE)])
async def test_a_file_that_grows_while_it_is_read_is_taken_whole_or_not_at_all(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch, after: bytes, more: bytes
) -> None:
    """Its writer, who keeps it open, is waited for by the clock: no event says that it is done."""
    monkeypatch.setattr("housecarl.doors.drop.SETTLED_SECONDS", 0.05)
    note, read_on = tmp_path / "note", os.read
    note.write_bytes(b"!upt")
    number = note.stat().st_ino
    os.utime(note, (1e9, 1e9))
    with note.open("ab", buffering=0) as writer:

        def growing(fd: int, length: int) -> bytes:
            chunk = read_on(fd, length)
            if chunk == after and os.fstat(fd).st_ino == number and writer.tell() == 4:
                writer.write(more)
            return chunk

        monkeypatch.setattr(os, "read", growing)
        async with watching(tmp_path, box.deliver, box):
            if after:
                told = await asyncio.wait_for(box.told.get(), PATIENCE)
                text = f"note in the spool cannot be taken: more than {MAX_SIZE} bytes"
                assert told == (False, text)
            else:
                assert (await box.next())[0].endswith(b"\r\n\r\n!uptime\r\n")
                await gone(note)
    assert note.exists() is bool(after)
    assert box.got.empty()


async def test_a_door_that_was_never_opened_can_be_closed(tmp_path: Path, box: Box) -> None:
    (tmp_path / "note").write_text("!uptime\n")
    await DropDoor(tmp_path, box.deliver, SystemClock(), box.tell, Watch()).stop()
    assert (tmp_path / "note").exists()


async def test_two_files_of_the_same_text_are_two_messages(
    door: DropDoor, tmp_path: Path, box: Box
) -> None:
    keys = set()
    for _ in range(2):
        (tmp_path / "note").write_text("!uptime\n")
        keys.add((await box.next())[1].key)
        await gone(tmp_path / "note")
    assert len(keys) == 2


@pytest.mark.parametrize("kind", ["link", "hard link", "large", "pipe"])
async def test_what_proves_nothing_or_is_too_large_stays_and_is_told_once(
    door: DropDoor, tmp_path: Path, box: Box, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.doors.drop.SETTLED_SECONDS", 0.05)
    path, elsewhere = tmp_path / "thing", tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.write_text("!uptime\n")
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "hard link":
        os.link(elsewhere, path)
    elif kind == "large":
        (tmp_path / "thing.part").write_bytes(b"x" * (MAX_SIZE + 1))
        (tmp_path / "thing.part").rename(path)
    else:
        os.mkfifo(path)
    os.utime(path, (1e9, 1e9), follow_symlinks=False)
    (tmp_path / "good").write_text("!help\n")
    await box.next()
    ok, text = await asyncio.wait_for(box.told.get(), PATIENCE)
    assert not ok and "thing in the spool cannot be taken" in text
    assert kind != "link" or text.endswith(": a link; copy the file instead")
    assert path.is_symlink() or path.exists()
    path.unlink()
    (tmp_path / "good").write_text("!help\n")
    await box.next()
    ok, _ = await asyncio.wait_for(box.told.get(), PATIENCE)
    assert ok and box.told.empty()


async def test_a_file_that_cannot_be_taken_stays_told_while_it_is_written_to(
    door: DropDoor, tmp_path: Path, box: Box
) -> None:
    """It is not looked at then, which makes it no better."""
    path = tmp_path / "large"
    path.write_bytes(b"x" * (MAX_SIZE + 1))
    ok, _ = await asyncio.wait_for(box.told.get(), PATIENCE)
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x")
        for _ in range(2):  # the second is taken after all that came of the first
            (tmp_path / "good").write_text("!help\n")
            await box.next()
            await gone(tmp_path / "good")
        assert not ok and box.told.empty()


@needs_root
async def test_a_file_that_cannot_be_removed_is_delivered_once_and_told(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time anew would be a message, a line of the journal and a sync every few seconds."""
    monkeypatch.setattr("housecarl.doors.drop.SETTLED_SECONDS", 0.01)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # another login does not find the way to it
    async with watching(Path(), box.deliver, box):
        assert await asyncio.wait_for(box.told.get(), PATIENCE) == WELL
        Path("note").write_text("!uptime\n")
        with nobody():
            told = await asyncio.wait_for(box.told.get(), PATIENCE)
        assert told == (False, "note in the spool is taken, but stays: Permission denied")
        await gone(Path("note"))
        assert (await asyncio.wait_for(box.told.get(), PATIENCE))[0]
    assert box.got.qsize() == 1


@pytest.mark.parametrize(("links", "more"), [(3, ""), (4, "; and 1 more"), (300, "; and 297 more")])
async def test_of_many_that_cannot_be_taken_the_oldest_are_named(
    tmp_path: Path, box: Box, links: int, more: str
) -> None:
    """It is one line of `status`, however many there are."""
    for n in range(links):
        (tmp_path / f"{n}").symlink_to("elsewhere")
        os.utime(tmp_path / f"{n}", (1e9 + n, 1e9 + n), follow_symlinks=False)
    async with watching(tmp_path, box.deliver, box):
        ok, text = await asyncio.wait_for(box.told.get(), PATIENCE)
    why = "in the spool cannot be taken: a link; copy the file instead"
    assert (ok, text) == (False, f"0 {why}; 1 {why}; 2 {why}{more}")


async def test_while_the_spool_takes_nothing_the_file_stays(
    door: DropDoor, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds in ("AGAIN_SECONDS", "SETTLED_SECONDS"):
        monkeypatch.setattr(f"housecarl.doors.drop.{seconds}", 0.02)
    box.full = True
    (tmp_path / "note").write_text("!uptime\n")
    for _ in range(2):
        await asyncio.wait_for(box.asked.wait(), PATIENCE)
        box.asked.clear()
    assert (tmp_path / "note").exists()
    box.full = False
    await box.next()
    await gone(tmp_path / "note")


async def test_a_full_spool_is_tried_with_one_file_and_told_in_one_line(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files wait; once there is room all of them are taken, oldest first."""
    monkeypatch.setattr("housecarl.doors.drop.AGAIN_SECONDS", 0.01)
    for n in range(20):
        (tmp_path / f"n{n}").write_text("!uptime\n")
        os.utime(tmp_path / f"n{n}", (1e9 + n, 1e9 + n))
    tried: list[str] = []
    thrice, is_full = asyncio.Event(), True

    async def deliver(raw: bytes, stamp: Stamp) -> str:
        if not is_full:
            return await box.deliver(raw, stamp)
        tried.append(stamp.key.rpartition(":")[2])
        if len(tried) == 3:
            thrice.set()
        raise SpoolFull("no room")

    with capture_logs() as logs:
        async with watching(tmp_path, deliver, box):
            await asyncio.wait_for(thrice.wait(), PATIENCE)
            is_full = False
            taken = [(await box.next())[1].key.rpartition(":")[2] for _ in range(20)]
    assert set(tried) == {"n0"}
    assert [entry["event"] for entry in logs] == ["drop-waits"] * len(tried)
    assert taken == [f"n{n}" for n in range(20)]


@pytest.mark.parametrize(
    ("data", "person", "rest"),
    [
        (b"As: bo\n!plug\n", "bo", b"!plug\n"),
        (b"As:bo\r\n!plug\r\n", "bo", b"!plug\r\n"),
        (b"!plug\nAs: bo\n", "", b"!plug\nAs: bo\n"),
        (b"As: ../../etc\n!plug\n", "", b"As: ../../etc\n!plug\n"),
    ],
)
def test_a_first_line_may_name_a_person(data: bytes, person: str, rest: bytes) -> None:
    assert split_as(data) == (person, rest)


def test_an_e_mail_stays_one_and_a_text_becomes_one() -> None:
    mail = b"Subject: x\nFrom: ann@example.org\n\n!uptime\n"
    assert as_message(mail) == mail.replace(b"\n", b"\r\n")
    note = b"!uptime: now\nFrom: me\n"
    assert as_message(note).startswith(b"Content-Type: text/plain; charset=utf-8\r\n\r\n!uptime")


@pytest.mark.parametrize("codec", ["utf-8", "cp1252"])
@pytest.mark.parametrize("length", [MAX_LINE, MAX_LINE + 1, 50_000])
def test_a_text_with_lines_of_any_length_reads_back_as_it_was(codec: str, length: int) -> None:
    line = "ü" + "x" * (length - len("ü".encode(codec)))
    for text in (line, f"!say a\n{line}\n\n {line} \n.\nEnd"):
        assert read(as_message(text.encode(codec)), needs_from=False).text == text


@pytest.mark.long(after=4)
@pytest.mark.parametrize(
    "codec",
    [
        *("utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-32"),
        *("utf-16", "utf-16-be-mark", "utf-16-le", "utf-16-be"),
    ],
)
async def test_a_text_is_read_right_in_whatever_form_an_editor_saves_it(
    tmp_path: Path, box: Box, door: DropDoor, codec: str
) -> None:
    """A shell of Windows writes UTF-16 with a mark, some script none, an old editor Latin-1."""
    text = "As: ann\n!say Grüße, Zoë\n"
    data = ("\ufeff" + text).encode("utf-16-be") if "mark" in codec else text.encode(codec)
    (tmp_path / "note").write_bytes(data)
    raw, stamp = await box.next()
    assert stamp.as_person == "ann"
    assert read(raw, needs_from=False).text.strip() == "!say Grüße, Zoë"


@pytest.mark.parametrize("way", ["written over", "replaced"])
async def test_a_file_that_is_written_again_while_it_is_taken_is_another_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("housecarl.doors.drop.SETTLED_SECONDS", 0.05)
    note, box = tmp_path / "note", Box()

    async def deliver(raw: bytes, stamp: Stamp) -> str:
        if box.got.empty():
            if way == "replaced":
                (tmp_path / "note.part").write_text("!help\n")
                (tmp_path / "note.part").rename(note)
            else:
                note.write_text("!help\n")
        return await box.deliver(raw, stamp)

    note.write_text("!uptime\n")
    os.utime(note, (1e9, 1e9))
    async with watching(tmp_path, deliver, box), asyncio.timeout(PATIENCE):
        while box.got.qsize() < 2:  # noqa: ASYNC110 - the first must stay in the box
            await asyncio.sleep(0.005)
    taken = [box.got.get_nowait() for _ in range(2)]
    assert [raw.rpartition(b"!")[2] for raw, _ in taken] == [b"uptime\r\n", b"help\r\n"]
    assert taken[0][1].key != taken[1][1].key
    assert not list(tmp_path.iterdir())


async def test_a_file_that_was_going_when_we_were_killed_keeps_its_key(
    tmp_path: Path, box: Box
) -> None:
    """So the journal knows it again: the name under which it goes makes it no new one."""
    name, keys = "n" * 250, []

    async def deliver(raw: bytes, stamp: Stamp) -> str:
        keys.append(stamp.key)
        raise StorageError("killed here")

    (tmp_path / name).write_text("!uptime\n")
    os.utime(tmp_path / name, (1e9, 1e9))
    for taker in (deliver, box.deliver):
        async with watching(tmp_path, taker, box), asyncio.timeout(PATIENCE):
            if taker is deliver:
                while not keys:  # noqa: ASYNC110 - the door says nothing of a file that waits
                    await asyncio.sleep(0.005)
            else:
                keys.append((await box.next())[1].key)
        if taker is deliver:
            (tmp_path / name).rename(tmp_path / f".taken-0123abcd-{name[:200]}")
    assert keys[0] == keys[1]
    assert not list(tmp_path.iterdir())


async def test_a_file_that_is_being_taken_is_finished_when_the_door_closes(tmp_path: Path) -> None:
    begun, safe = asyncio.Event(), asyncio.Event()

    async def deliver(raw: bytes, stamp: Stamp) -> str:
        begun.set()
        await safe.wait()
        return "name"

    for name in ("one", "two"):
        (tmp_path / name).write_text("!uptime\n")
        os.utime(tmp_path / name, (1e9, 1e9))
    async with watching(tmp_path, deliver, Box()) as door, asyncio.timeout(PATIENCE):
        await begun.wait()
        stop = asyncio.create_task(door.stop())
        await asyncio.sleep(0)
        safe.set()
        await stop
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two"]
