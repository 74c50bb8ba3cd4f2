"""The daemon between two houses, and what it does when a part of one ends."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import smtplib
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs
from tests.cli.conftest import verb_of
from tests.nobody import needs_root, nobody

import housecarl.reload
from housecarl import config_file, lock
from housecarl import daemon as daemons
from housecarl.clock import SystemClock
from housecarl.daemon import Daemon
from housecarl.errors import StorageError, Unreachable
from housecarl.house import House
from housecarl.journal import JOURNAL, connect
from housecarl.memory import Memory
from housecarl.post import outage
from housecarl.testing.house import TestHouse

pytestmark = pytest.mark.long(after=9)

LOGIN = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    with TestHouse(tmp_path) as house:
        yield house


class Quiet(TestHouse):
    """A house without an SMTP door."""

    def config(self) -> dict[str, Any]:
        whole = super().config()
        del whole["doors"]["smtp"]
        return whole


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[TestHouse]:
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "unix": [LOGIN]}}
    with Quiet(tmp_path, people) as house:
        yield house


def running(house: TestHouse) -> Daemon:
    assert house.daemon is not None
    return house.daemon


def inner(house: TestHouse) -> House:
    inside = running(house).house
    assert inside is not None
    return inside


def break_journal(house: TestHouse) -> House:
    """The house that met a fault of its journal."""
    inside = inner(house)

    async def meet() -> None:
        inside.worker.trouble.set_result(StorageError("disk I/O error"))

    house.do(meet())
    return inside


def lose_disk(house: TestHouse, logs: list[Any]) -> None:
    """Its spool goes, and it finds that out."""
    house.spool.rename(house.folder / "away")
    break_journal(house)
    house.until(lambda: any("is gone: mount" in each.get("why", "") for each in logs))


def see_answered(house: TestHouse) -> None:
    """Its phone is answered."""
    house.phone().text("!uptime")
    assert house.phone().reply.startswith("Elm Street up ")


def is_open(house: TestHouse) -> bool:
    """Whether its door for mail takes some, which it does last."""
    daemon = running(house)
    return daemon.house is not None and daemon.smtp is not None and not daemon.smtp.closed


def bring_back(house: TestHouse) -> None:
    (house.folder / "away").rename(house.spool)


def test_between_two_houses_nothing_is_taken_and_nothing_breaks(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender is asked to come again, and so is a door that has something to tell."""
    for seconds in ("AGAIN_SECONDS", "SETTLED_SECONDS"):
        monkeypatch.setattr(f"housecarl.doors.drop.{seconds}", 0.02)
    kept = inner(house)

    async def tell() -> None:
        running(house).house = None
        running(house)._later(House.refresh)
        with pytest.raises(StorageError, match="the house is being reopened"):
            await running(house).tell("imap", False, "no answer")
        with pytest.raises(StorageError, match="the house is being reopened"):
            await Memory(running(house)._opened).get("uid")

    house.do(tell())
    raw = house.carrier.text("+13035550123", "!uptime", house.clock.now())
    with pytest.raises(smtplib.SMTPDataError) as refused:
        house.send(raw, mail_from=house.carrier.envelope(house.address))
    assert refused.value.smtp_code == 451
    with capture_logs() as logs:
        (house.spool / "link").symlink_to("elsewhere")
        (house.spool / "note").write_text("!uptime\n")
        house.until(lambda: [entry["event"] for entry in logs].count("drop-waits") > 1)
    running(house).house = kept
    house.until(lambda: doors_told(house) == {"door.drop": False})
    house.send(raw, mail_from=house.carrier.envelope(house.address))
    assert house.phone().reply.startswith("Elm Street up ")


def doors_told(house: TestHouse) -> dict[str, bool]:
    """The doors of which something was told, and whether each is well."""
    with closing(sqlite3.connect(house.spool / JOURNAL)) as conn:
        return dict(conn.execute("SELECT name, ok FROM conditions WHERE name LIKE 'door.%'"))


async def test_a_first_configuration_that_cannot_be_served_ends_it(tmp_path: Path) -> None:
    """There is no former one to go on with."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        smtp = {"listen": listen, "recipients": ["cmd@home.example"]}
        path = tmp_path / "housecarl.yaml"
        path.write_text(yaml.safe_dump({"spool": "spool", "doors": {"smtp": smtp}}))
        with pytest.raises(Unreachable, match=listen):
            await Daemon(config_file.load(path), SystemClock()).run()


def test_a_house_without_smtp_is_opened_again_after_a_fault(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    first = break_journal(quiet)
    quiet.until(lambda: running(quiet).house not in (first, None))
    quiet.drop("!uptime\n")
    assert quiet.inbox.wait(1)[0].text.startswith("Elm Street up ")


def test_a_spool_whose_disk_is_gone_is_waited_for_and_not_made_anew(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one would know neither who is switched off nor what was done before."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    with capture_logs() as logs:
        lose_disk(house, logs)
        tried = len(logs)
        (house.spool / JOURNAL.parent).mkdir(parents=True)  # as `housecarl person off` does
        house.until(lambda: len(logs) > tried + 1)
    assert [path.name for path in house.spool.rglob("*")] == [JOURNAL.parent.name]
    shutil.rmtree(house.spool)
    bring_back(house)
    house.until(lambda: is_open(house))
    see_answered(house)


def test_a_spool_that_another_was_put_in_place_of_is_waited_for(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy, say, that was restored beside the daemon: its lock is free for another one."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    house.spool.rename(house.folder / "away")
    shutil.copytree(house.folder / "away", house.spool)
    with capture_logs() as logs:
        first = break_journal(house)
        house.until(lambda: running(house).house is not first)
        house.until(lambda: any("another spool: put" in each.get("why", "") for each in logs))
    lock.Lock(house.spool / JOURNAL.parent).release()
    shutil.rmtree(house.spool)
    bring_back(house)
    house.until(lambda: is_open(house))
    see_answered(house)


def test_a_reload_makes_no_spool_in_place_of_one_that_is_gone(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is renewed reloads a house that has not met its dead disk yet.

    Nor does systemd, which would start it again after ten minutes.
    """
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    monkeypatch.setattr(daemons, "GIVE_UP_SECONDS", -1.0)
    house.spool.rename(house.folder / "away")
    with capture_logs() as logs:
        configured(house)
        house.until(lambda: sum("is gone: mount" in str(each) for each in logs) > 2)
    assert not house.spool.exists()
    bring_back(house)
    house.until(lambda: running(house).ready.is_set())
    see_answered(house)


def test_a_reload_names_another_spool_while_the_disk_of_the_former_is_gone(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for no try of the former; one that cannot be served leaves that to be tried on."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01, 600.0))
    with capture_logs() as logs:
        lose_disk(house, logs)
        configured(house, spool="elsewhere", units="miles")
        house.until(lambda: any(each["event"] == "reload-refused" for each in logs))
        configured(house, spool="elsewhere")
        house.until(lambda: running(house).ready.is_set())
    assert lock.held(house.folder / "elsewhere" / JOURNAL.parent) == ""
    see_answered(house)


def test_what_was_written_while_the_disk_was_gone_is_served_when_it_is_back(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask for it once more; of several the last, unless that is wrong."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    with capture_logs() as logs:
        lose_disk(house, logs)
        renamed(house, "Oak Street")
        renamed(house, "Ash Street")
        with pytest.raises(smtplib.SMTPResponseException) as said:
            house.phone().text("!uptime")
        assert said.value.smtp_code == 451, "its door stands meanwhile"
        configured(house, units="miles")
        house.until(lambda: any(each["event"] == "reload-refused" for each in logs))
    bring_back(house)
    house.until(lambda: running(house).ready.is_set())
    house.phone().text("!uptime")
    assert house.phone().reply.startswith("Ash Street up ")


def test_a_file_that_an_editor_left_empty_is_not_gone_by(quiet: TestHouse) -> None:
    """Its disk was full; a house without people would be served, from another spool."""
    (quiet.folder / "housecarl.yaml").write_text("# house: Elm Street\n")
    reload(quiet)
    assert "housecarl.yaml: says nothing any more" in refused(quiet)
    quiet.drop("!uptime\n")
    assert quiet.inbox.wait(1)[0].text.startswith("Elm Street up ")


@pytest.mark.parametrize("met", [True, False])
def test_what_fits_no_module_is_refused_also_where_the_disk_was_gone(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, met: bool
) -> None:
    """Whether the house had met that when it was asked to read it, or meets it by that."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    with capture_logs() as logs:
        if met:
            lose_disk(house, logs)
        else:
            house.spool.rename(house.folder / "away")
        logs.clear()
        configured(house, modules={"gate": {}})
        house.until(lambda: "gate" in running(house).loaded.config.modules.settings)
        house.until(lambda: any("is gone: mount" in str(each) for each in logs))
    bring_back(house)
    assert "no module 'gate'" in refused(house)
    see_answered(house)


def test_a_reload_begins_no_outage_anew(quiet: TestHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails would be tried for as long as somebody reloads within each ten minutes."""

    async def fail(house: House, held: lock.Lock, *, again: bool) -> None:
        raise StorageError("disk I/O error")

    monkeypatch.setattr(daemons, "BACK_OFF", (600.0,))
    monkeypatch.setattr(House, "open", fail)
    break_journal(quiet)
    quiet.until(lambda: running(quiet)._outage._tries == 1)
    began = running(quiet)._outage._began
    configured(quiet)
    quiet.until(lambda: running(quiet)._outage._tries == 2)
    assert running(quiet)._outage._began == began


def test_a_reload_names_the_place_to_which_the_spool_was_moved(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is our own: it was refused, as one that another housecarl serves."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01, 600.0))
    with capture_logs() as logs:
        lose_disk(house, logs)
        configured(house, spool="away")
        house.until(lambda: running(house).ready.is_set())
    assert lock.held(house.folder / "away" / JOURNAL.parent) == ""
    see_answered(house)


def test_a_disk_that_is_back_is_served_at_a_reload(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for it has mounted it again; that what they wrote is wrong, `status` says."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01, 600.0))
    with capture_logs() as logs:
        lose_disk(house, logs)
        bring_back(house)
        configured(house, units="miles")
        assert "units" in refused(house)
    assert lock.held(house.spool / JOURNAL.parent) == ""
    see_answered(house)


def test_a_stop_does_not_wait_for_a_house_that_cannot_be_opened(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[House] = []

    async def fail(house: House, held: lock.Lock, *, again: bool) -> None:
        assert again and not held.former_killed
        tried.append(house)
        raise StorageError("disk I/O error")

    monkeypatch.setattr(daemons, "BACK_OFF", (0.0, 600.0))
    monkeypatch.setattr(House, "open", fail)
    break_journal(quiet)
    quiet.until(lambda: len(tried) == 1)
    quiet.stop()
    assert len(tried) == 1


def test_a_stop_while_the_disk_fails_in_a_reload_opens_no_door_for_a_moment(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[House] = []

    async def fail(house: House, held: lock.Lock, *, again: bool) -> None:
        tried.append(house)
        raise StorageError("disk I/O error")

    monkeypatch.setattr(daemons, "BACK_OFF", (600.0,))
    monkeypatch.setattr(House, "open", fail)
    with capture_logs() as logs:
        configured(quiet, timezone="Europe/Paris")
        quiet.until(lambda: bool(tried))
        quiet.until(lambda: any(each["event"] == "storage-fault" for each in logs))
        quiet.stop()
    assert "ready" not in [each["event"] for each in logs]


def test_a_disk_that_stays_broken_ends_it_in_the_end(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd starts it again, and tells of it."""
    monkeypatch.setattr(daemons, "GIVE_UP_SECONDS", -1.0)
    break_journal(quiet)
    with pytest.raises(StorageError, match="disk I/O error"):
        quiet.stop()


@pytest.mark.long
def test_a_fault_that_is_back_at_once_was_never_over(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month's folder that took no file opened the house twice a second for ever, namelessly."""
    monkeypatch.setattr(daemons, "BACK_OFF", (0.0, 0.01, 0.2))
    monkeypatch.setattr(daemons, "GIVE_UP_SECONDS", 0.3)
    month = quiet.spool / "executed" / f"{quiet.clock.now():%Y-%m}"
    month.write_text("not a folder")
    quiet.drop("!help uptime\n")
    quiet.inbox.wait(1)
    quiet.until(lambda: quiet._running is not None and quiet._running.done())
    with pytest.raises(StorageError, match=f"spool: move into {month}: Not a directory"):
        quiet.stop()


def test_a_part_of_the_house_that_ends_is_a_fault(house: TestHouse) -> None:
    """Its own word is told when it had one; a mistake in our code is no fault of the disk."""
    inside = inner(house)

    async def part(error: Exception | None) -> None:
        if error is not None:
            raise error

    async def ended(error: Exception | None) -> StorageError:
        task = asyncio.create_task(part(error))
        inside._clocks.append(task)
        try:
            return await inside.trouble()
        finally:
            inside._clocks.remove(task)

    assert str(house.do(ended(None))) == "a part of the house ended"
    full = StorageError("No space left on device")
    assert house.do(ended(full)) is full
    with pytest.raises(ZeroDivisionError):
        house.do(ended(ZeroDivisionError()))


def test_a_stop_waits_for_no_module_that_is_just_being_read(tmp_path: Path) -> None:
    """What the news of a file had begun ends with the house, and nothing of it is left."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with TestHouse(tmp_path, modules={"folders": [str(folder)]}) as house:
        daemon = running(house)
        (folder / "slow.py").write_text("import time\n\ntime.sleep(60)\n")
        house.until(lambda: bool(daemon._news))
        house.stop()
        house.until(lambda: len(asyncio.all_tasks()) == 1)  # the one that looks


def configured(house: TestHouse, /, **more: Any) -> None:
    """Have the house read another configuration; None takes a section out of it."""
    path = house.folder / "housecarl.yaml"
    whole = {key: value for key, value in {**house.config(), **more}.items() if value is not None}
    written = path.with_suffix(".part")  # the former one may just be read
    written.write_text(yaml.safe_dump(whole, sort_keys=False))
    written.replace(path)
    reload(house)


def renamed(house: TestHouse, name: str) -> None:
    """Have it read another name of its own, and wait until it has."""
    configured(house, house=name)
    house.until(lambda: running(house).loaded.config.house == name)


def reload(house: TestHouse) -> None:
    daemon = running(house)

    async def ask() -> None:
        daemon.ready.clear()
        daemon.reload()

    house.do(ask())


def refused(house: TestHouse) -> str:
    """Wait until a new configuration was refused; why."""

    def told() -> str:
        with closing(sqlite3.connect(house.spool / JOURNAL)) as conn:
            rows = conn.execute("SELECT text FROM conditions WHERE name = 'config' AND NOT ok")
            return str((rows.fetchone() or [""])[0])

    house.until(lambda: bool(told()))
    return told()


@pytest.mark.long
def test_a_reload_tries_a_smarthost_that_was_away_at_once(house: TestHouse) -> None:
    """Who asks for it may have mended the password; one failure pauses for most of a minute."""

    def pause() -> float:
        with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
            return outage.ends(conn)

    house.do(house.inbox.stop())
    house.phone().text("!uptime")
    house.until(lambda: pause() > 0)
    listed = verb_of(house.folder / "housecarl.yaml")("queue", "list").stdout
    assert f"[waiting, try 2 at {datetime.fromtimestamp(pause(), UTC):%H:%M:%S}: " in listed
    house.do(house.inbox.start())
    configured(house)
    assert house.phone().wait(20)


def test_the_spool_of_another_daemon_is_not_taken_by_a_reload(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with TestHouse(tmp_path / "one") as one, TestHouse(tmp_path / "two") as two:
        configured(one, spool=str(two.spool))
        assert "another housecarl already serves the spool" in refused(one)
        assert lock.held(one.spool / JOURNAL.parent) == ""


def test_a_reload_with_another_spool_takes_its_lock_with_it(house: TestHouse) -> None:
    configured(house, spool="elsewhere")
    house.until(lambda: running(house).ready.is_set())
    other = house.folder / "elsewhere"
    assert lock.held(other / JOURNAL.parent) == ""
    assert lock.held(house.spool / JOURNAL.parent) is None


def test_a_stop_in_the_middle_of_a_reload_leaves_the_former_spool_as_one_that_ended(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its next start would look for what had killed it."""

    async def stopped(*args: Any) -> lock.Lock:
        running(house).stop()
        return await housecarl.reload.lock_of(*args)

    monkeypatch.setattr(daemons, "lock_of", stopped)
    configured(house, spool="elsewhere")
    house.until(lambda: house._running is not None and house._running.done())
    assert not lock.Lock(house.spool / JOURNAL.parent).former_killed


def test_a_spool_that_has_another_name_now_is_the_same(house: TestHouse) -> None:
    """It was a link to the new disk until the configuration named that."""
    disk = house.folder / "disk"
    house.stop()
    house.spool.rename(disk)
    house.spool.symlink_to(disk)
    house.start()
    configured(house, spool=str(disk))
    house.until(lambda: running(house).ready.is_set())
    house.spool.unlink()
    configured(house, spool=str(disk), units="metric")
    house.until(lambda: running(house).ready.is_set())
    assert not running(house)._refused
    assert inner(house).config.units == "metric"


def test_a_new_spool_that_cannot_be_had_is_refused_and_the_old_one_goes_on(
    house: TestHouse,
) -> None:
    other = house.folder / "elsewhere"
    other.mkdir()
    (other / "new").touch()  # where a folder of the spool would be
    configured(house, spool="elsewhere")
    assert "elsewhere" in refused(house)
    house.until(lambda: running(house).ready.is_set())
    assert lock.held(other / JOURNAL.parent) is None
    phone = house.phone()
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


BELL = '''
from pydantic import BaseModel

from housecarl import Call, Reply, command


class Settings(BaseModel):
    tone: str = ""


@command()
async def bell(call: Call) -> Reply:
    """Ring."""
    return Reply(f"Rang {call.settings.tone}.")
'''


def modules_told(house: TestHouse) -> dict[str, bool]:
    """The files and folders of modules that the house has noted, and whether each is well."""
    with closing(sqlite3.connect(house.spool / JOURNAL)) as conn:
        rows = conn.execute("SELECT name, ok FROM conditions WHERE name LIKE 'module.%'")
        return {Path(name).name: bool(ok) for name, ok in rows}


def test_a_folder_of_modules_that_is_not_there_is_told_and_live_once_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    with TestHouse(tmp_path, modules={"folders": [str(mine)]}) as house:
        assert modules_told(house) == {"mine": False}
        for n in range(2):
            mine.mkdir()
            (mine / f"bell{n}.py").write_text(BELL)
            house.until(lambda: inner(house).registry.find("bell") is not None)
            house.until(lambda: modules_told(house) in ({"mine": True}, {}))
            mine.rename(tmp_path / f"former{n}")
            house.until(lambda: modules_told(house) == {"mine": False})
            assert inner(house).registry.find("bell") is None


def test_a_module_that_is_moved_away_from_its_section_is_told(tmp_path: Path) -> None:
    """The house went on and was well; the next start, such as after a power cut, was refused."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "bell.py").write_text(BELL)
    modules = {"folders": [str(mine)], "bell": {"tone": "low"}}
    with TestHouse(tmp_path, modules=modules) as house:
        assert modules_told(house) == {}
        (mine / "bell.py").rename(mine / "chime.py")
        house.until(lambda: modules_told(house) == {"module.bell": False})
        (mine / "chime.py").rename(mine / "bell.py")
        house.until(lambda: modules_told(house) == {})


@needs_root
def test_a_folder_of_modules_that_is_closed_is_told_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    tmp_path.chmod(0o700)
    with TestHouse(tmp_path, modules={"folders": [str(tmp_path / "mine")]}) as house:
        with nobody():
            house.do(inner(house).reload_modules())
        assert modules_told(house) == {"mine": False}


def test_a_broken_module_whose_name_is_no_text_is_told_and_ends_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / os.fsdecode(b"caf\xe9.py")).write_text("1 / 0\n")
    with TestHouse(tmp_path, modules={"folders": [str(mine)]}) as house:
        assert modules_told(house) == {"caf?.py": False}


def test_after_a_fault_the_house_goes_by_what_it_went_by_before(tmp_path: Path) -> None:
    """Not by the configuration before the last reload, and no module's fault ends it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bell.py").write_text(BELL)
    people = {name: {"phones": [f"+1303555012{n}"], "may": ["*"]} for n, name in enumerate("ab")}
    modules = {"folders": [str(folder)], "bell": {"tone": "low"}}
    with TestHouse(tmp_path, people, modules) as house:
        a, b = house.phone("a"), house.phone("b")
        configured(house, people={"b": people["b"]})
        house.until(lambda: running(house).ready.is_set())
        (folder / "bell.py").write_text(BELL.replace("tone", "pitch"))
        house.until(lambda: bool(inner(house).registry.broken))
        former = break_journal(house)
        house.until(lambda: running(house).house not in (None, former))
        a.text("!uptime")
        b.text("!uptime")
        assert b.reply.startswith("Elm Street up ")
        house.settle()
        done = sorted(line[5:] for line in house.log()[-2:])
        assert done == ["b uptime: executed", "stranger -: stranger"]


def test_back_to_the_former_configuration_a_module_changed_for_the_new_one_is_off(
    tmp_path: Path,
) -> None:
    """A new one whose door cannot be opened is refused; the house goes on without that module."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bell.py").write_text(BELL)
    modules = {"folders": [str(folder)], "bell": {"tone": "low"}}
    with (
        TestHouse(tmp_path, modules=modules) as house,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        (folder / "bell.py").write_text(BELL.replace("tone", "pitch"))
        house.until(lambda: bool(inner(house).registry.broken))
        smtp = {"listen": f"127.0.0.1:{taken.getsockname()[1]}", "recipients": ["cmd@home.example"]}
        changed = {**modules, "bell": {"pitch": "low"}}
        configured(house, doors={"smtp": smtp}, modules=changed)
        house.until(lambda: running(house).ready.is_set())
        assert "cannot listen on" in refused(house)
        phone = house.phone()
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")


async def test_a_lock_that_comes_too_late_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every later reload would find a spool whose disk was slow once in use by somebody."""
    (tmp_path / "house.yaml").write_text("spool: one\n")
    old = config_file.load(tmp_path / "house.yaml")
    (tmp_path / "house.yaml").write_text("spool: two\n")
    new = config_file.load(tmp_path / "house.yaml")
    held, slow, given_back = lock.Lock(old.config.spool / JOURNAL.parent), Event(), Event()

    class Late(lock.Lock):
        def __init__(self, folder: Path) -> None:
            slow.wait(10)
            super().__init__(folder)

        def release(self) -> None:
            super().release()
            given_back.set()

    with monkeypatch.context() as patch:
        patch.setattr(housecarl.reload, "Lock", Late)
        patch.setattr(housecarl.reload, "READ_SECONDS", 0.05)
        with pytest.raises(Unreachable, match=r"gave nothing in 0\.05 s"):
            await housecarl.reload.lock_of(new, old, held)
    slow.set()
    assert await asyncio.to_thread(given_back.wait, 10)
    taken = await housecarl.reload.lock_of(new, old, held)
    for each in (taken, held):
        each.release()


def test_what_a_door_had_to_tell_is_over_when_it_was_mended_between_two_lives(
    house: TestHouse,
) -> None:
    link = house.spool / "link"
    link.with_name("link.part").symlink_to("elsewhere")
    link.with_name("link.part").rename(link)
    house.until(lambda: doors_told(house) == {"door.drop": False})
    house.stop()
    link.unlink()
    house.start()
    house.until(lambda: doors_told(house) == {"door.drop": True})


def test_of_a_smarthost_that_was_taken_out_of_the_configuration_nothing_is_told(
    house: TestHouse,
) -> None:
    def told() -> list[tuple[int]]:
        with closing(sqlite3.connect(house.spool / JOURNAL)) as conn:
            return conn.execute("SELECT ok FROM conditions WHERE name = 'post'").fetchall()

    house.do(house.inbox.stop())
    house.phone().text("!uptime")
    house.until(lambda: told() == [(0,)])
    configured(house)
    house.until(lambda: running(house).ready.is_set())
    assert told() == [(0,)]
    configured(house, post=None)
    house.until(lambda: running(house).ready.is_set())
    assert told() == []
    house.do(house.inbox.start())
