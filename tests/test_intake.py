"""While the spool takes nothing senders try again later, `status` says why, and it mends itself."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import smtplib
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.conftest import verb_of

from housecarl.errors import JournalDamaged, StorageError
from housecarl.house import House
from housecarl.intake import NAME, Intake
from housecarl.journal import JOURNAL, conditions, connect
from housecarl.journal.conditions import Condition
from housecarl.lock import held
from housecarl.message.stamp import Stamp
from housecarl.spool import Spool, State
from housecarl.testing.house import TestHouse

#: Seconds between two looks in a test, and until something must have happened.
AGAIN = 0.1
PATIENCE = 15.0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MiB; mounting needs root: skips at home, fails in CI."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        why = done.stderr if done.returncode else ""
    except OSError as error:
        why = str(error)
    if why:
        text = f"a tmpfs cannot be mounted here: {why.strip()}"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    yield place
    subprocess.run(["umount", str(place)], check=True)


class Sender:
    """A mail server that is connected before the trouble begins."""

    def __init__(self, house: TestHouse) -> None:
        self.house = house
        self.client = smtplib.SMTP(*house.smtp, timeout=20)
        self.client.ehlo()

    def send(self, text: str) -> int:
        """Hand in a text; the code that came back."""
        carrier = self.house.carrier
        raw = carrier.text("+13035550123", text, self.house.clock.now())
        try:
            self.client.sendmail(carrier.envelope(self.house.address), [self.house.address], raw)
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            return error.smtp_code
        return 250


def found(house: TestHouse) -> Condition | None:
    assert house.daemon is not None and house.daemon.house is not None
    listing = house.do(house.daemon.house.db.read(conditions.listing))
    return next((each for each in listing if each.name == NAME), None)


def told(house: TestHouse, ok: bool) -> str:
    """What is told of the spool, once it is that it is well or not."""
    end = time.monotonic() + PATIENCE
    while (condition := found(house)) is None or condition.ok is not ok:
        assert time.monotonic() < end, condition
        time.sleep(0.01)
    return condition.text


def quick(house: TestHouse) -> None:
    assert house.daemon is not None and house.daemon.house is not None
    house.daemon.house.intake.again = AGAIN


def test_no_file_can_be_opened(tmp_path: Path) -> None:
    with TestHouse(tmp_path) as house:
        quick(house)
        sender = Sender(house)
        assert sender.send("!help uptime") == 250
        house.phone().wait()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.open("/", os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            assert sender.send("!help ping") == 451
            assert "Too many open files" in told(house, ok=False)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert told(house, ok=True) == "messages are taken again"
        assert sender.send("!help ping") == 250
        house.inbox.wait(2)
        assert not list((house.spool / "tmp").iterdir())
        sender.client.close()


def test_while_the_disk_hangs_nothing_is_taken_and_nothing_kept_twice(tmp_path: Path) -> None:
    """Who brings a message is told to try again; what the disk takes later is not kept twice."""
    with TestHouse(tmp_path) as house:
        quick(house)
        assert house.daemon is not None and house.daemon.house is not None
        spool = house.daemon.house.spool
        house.daemon.house.spool.patience = 0.2
        sender, on = Sender(house), threading.Event()
        house.do(house.daemon.house.settle())
        stuck = spool._disk.submit(on.wait, PATIENCE)
        try:
            assert sender.send("!help uptime") == 451
            assert told(house, ok=False).endswith("the disk took nothing in 0.2 s")
            assert not stuck.done()
        finally:
            on.set()
        assert told(house, ok=True) == "messages are taken again"
        assert sender.send("!help uptime") == 250
        house.inbox.wait(1)
        house.do(house.daemon.house.settle())
        assert not [*(house.spool / "tmp").iterdir(), *(house.spool / "new").iterdir()]
        assert len(house.inbox.received) == 1
        sender.client.close()


def test_a_full_disk_is_told_and_over_once_there_is_room(tiny: Path) -> None:
    with TestHouse(tiny) as house:
        quick(house)
        sender = Sender(house)
        filler = tiny / "filler"
        filler.write_bytes(bytes(30 << 20))
        assert sender.send("!help uptime") == 452
        assert "stay reserved" in told(house, ok=False)
        filler.unlink()
        assert told(house, ok=True) == "messages are taken again"
        assert sender.send("!help uptime") == 250
        house.inbox.wait(1)
        sender.client.close()


def test_the_disk_is_full_to_the_last_byte(tiny: Path) -> None:
    """The journal cannot be written either: the house opens again once there is room."""
    with TestHouse(tiny) as house:
        quick(house)
        assert house.daemon is not None and house.daemon.house is not None
        house.daemon.house.spool.reserve = 0
        sender = Sender(house)
        filler = tiny / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 20)) == 1 << 20:
                    pass
            except OSError:
                pass
        assert sender.send("!help uptime") in (451, 452)
        status = verb_of(tiny / "housecarl.yaml")("status")
        assert status.returncode == 1
        assert "FAIL disk: no message is taken" in status.stdout
        filler.unlink()
        end = time.monotonic() + PATIENCE
        while sender.send("!help uptime") != 250:
            assert time.monotonic() < end
            time.sleep(0.05)
        house.inbox.wait(1)
        sender.client.close()


def test_new_is_read_only(tiny: Path) -> None:
    """A mount of its own, so that it is so for root too."""
    with TestHouse(tiny) as house:
        quick(house)
        sender = Sender(house)
        new = str(house.spool / "new")
        subprocess.run(["mount", "--bind", new, new], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", new], check=True)
            assert sender.send("!help uptime") == 451
            assert "no message is taken" in told(house, ok=False)
        finally:
            subprocess.run(["umount", new], check=True)
        assert told(house, ok=True) == "messages are taken again"
        assert sender.send("!help uptime") == 250
        house.inbox.wait(1)
        assert not list((house.spool / "tmp").iterdir())
        sender.client.close()


@pytest.mark.long
def test_the_whole_spool_is_read_only(tiny: Path) -> None:
    """The house cannot open again while it is so; the doors stay open, and it mends itself."""
    with TestHouse(tiny) as house:
        quick(house)
        daemon, sender = house.daemon, Sender(house)
        assert daemon is not None and daemon.house is not None
        status = verb_of(tiny / "housecarl.yaml")
        spool = str(house.spool)
        subprocess.run(["mount", "--bind", spool, spool], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", spool], check=True)
            assert sender.send("!help uptime") == 451
            assert f"FAIL disk: no message is taken: {spool}: Read-only" in status("status").stdout
            house.do(fault(daemon.house))
            end = time.monotonic() + PATIENCE
            while daemon.house is not None:
                assert time.monotonic() < end
                time.sleep(0.01)
            assert sender.send("!help uptime") == 451
            assert status("status").returncode == 1
        finally:
            subprocess.run(["umount", spool], check=True)
        while held(house.spool / JOURNAL.parent):
            assert time.monotonic() < end
            time.sleep(0.01)
        sender.client.close()
        sender = Sender(house)
        assert sender.send("!help uptime") == 250
        house.inbox.wait(1)
        assert status("status").returncode == 0
        sender.client.close()


def test_a_journal_on_a_disk_that_is_read_only_is_not_called_damaged(tiny: Path) -> None:
    """SQLite says the same of it as of one whose header forbids to write."""
    live, dead = tiny / "live", tiny / "dead"
    live.mkdir()
    with closing(connect(live / "journal.sqlite")):
        shutil.copytree(live, dead)  # with the side files of a life that was killed
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    with pytest.raises(StorageError, match="SQLITE_READONLY") as met:
        connect(dead / "journal.sqlite")
    assert not isinstance(met.value, JournalDamaged)


@pytest.mark.long
def test_status_says_why_a_house_cannot_be_opened(tmp_path: Path) -> None:
    with TestHouse(tmp_path) as house:
        assert house.daemon is not None and house.daemon.house is not None
        odd, end = house.spool / "failed", time.monotonic() + PATIENCE
        odd.rmdir()
        os.mkfifo(odd)  # which nobody takes for a message that was dropped
        house.do(fault(house.daemon.house))
        while "File exists" not in (held(house.spool / JOURNAL.parent) or ""):
            assert time.monotonic() < end
            time.sleep(0.01)
        status = verb_of(tmp_path / "housecarl.yaml")("status")
        assert status.returncode == 1
        assert f"FAIL daemon: no message is taken: spool {house.spool}: File exists" in (
            status.stdout
        )
        odd.unlink()
        while held(house.spool / JOURNAL.parent):
            assert time.monotonic() < end
            time.sleep(0.01)
        sender = Sender(house)
        assert sender.send("!help uptime") == 250
        house.inbox.wait(1)
        sender.client.close()


async def fault(house: House) -> None:
    """A rename that fails, so that the house is opened again."""
    house.spool.move("none.eml", State.NEW, State.REFUSED)


def test_new_is_not_there(tmp_path: Path) -> None:
    with TestHouse(tmp_path) as house:
        quick(house)
        sender = Sender(house)
        new = house.spool / "new"
        new.rename(house.spool / ".new")
        assert sender.send("!help uptime") == 451
        assert "no message is taken" in told(house, ok=False)
        (house.spool / ".new").rename(new)
        assert told(house, ok=True) == "messages are taken again"
        assert sender.send("!help uptime") == 250
        house.inbox.wait(1)
        sender.client.close()


async def test_that_messages_are_taken_again_is_told_until_somebody_hears_it(
    tmp_path: Path,
) -> None:
    """The journal is on the same disk, and may come right a moment later. So it is each time."""
    told, heard = list[tuple[bool, str]](), asyncio.Event()

    async def tell(name: str, ok: bool, text: str) -> None:
        told.append((ok, text))
        if ok and [each for each, _ in told].count(True) < 2:
            raise StorageError("disk I/O error")
        if ok:
            heard.set()

    spool = Spool(tmp_path / "spool")
    spool.open(alone=True)
    await spool.start()
    intake = Intake(spool, tell, again=0.01)
    for _ in range(2):
        told.clear()
        heard.clear()
        (spool.root / "new").rename(spool.root / ".new")
        with pytest.raises(StorageError):
            await intake.put(b"", Stamp("drop", datetime.now(UTC)))
        (spool.root / ".new").rename(spool.root / "new")
        await asyncio.wait_for(heard.wait(), PATIENCE)
        assert told[-1] == (True, "messages are taken again")
        async with asyncio.timeout(PATIENCE):
            while intake._looking is not None:  # noqa: ASYNC110 - what is looked at is no event
                await asyncio.sleep(0)
    await spool.stop()


@pytest.mark.parametrize("fault", ["full", "away"])
async def test_nothing_is_told_to_be_well_that_is_not(tmp_path: Path, fault: str) -> None:
    """Neither while a folder is away nor while there is only room for the byte of a look."""
    told, looked = list[bool](), asyncio.Event()

    async def tell(name: str, ok: bool, text: str) -> None:
        told.append(ok)
        if len(told) == 3:
            looked.set()

    spool = Spool(tmp_path / "spool", reserve=1 << 60 if fault == "full" else 0)
    spool.open(alone=True)
    await spool.start()
    if fault == "away":
        (spool.root / "new").rename(spool.root / ".new")
    intake = Intake(spool, tell, again=0.01)
    with pytest.raises(StorageError):
        await intake.put(b"", Stamp("drop", datetime.now(UTC)))
    await asyncio.wait_for(looked.wait(), PATIENCE)
    intake.stop()
    assert told[:3] == [False] * 3
    await spool.stop()
