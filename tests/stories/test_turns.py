"""Changes of one person take turns; what had to wait is looked at again before it is done."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import inside, pass_

from housecarl import daemon
from housecarl.crew import CARRIERS
from housecarl.doors.drop_text import as_message
from housecarl.errors import StorageError, TrustLater
from housecarl.journal import people
from housecarl.journal.runs import Run
from housecarl.judge import Case
from housecarl.message.name import make_name
from housecarl.message.stamp import Stamp
from housecarl.record import Record
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone
from housecarl.trust import Answers
from housecarl.worker import Worker

pytestmark = pytest.mark.long(after=5)

MODULE = '''
"""Changes that are written down, one of which waits until a file is there."""
import asyncio
from pathlib import Path

from housecarl import Call, Reply, Risk, command
from pydantic import BaseModel


class Settings(BaseModel):
    ledger: Path
    gate: Path


def _done(call: Call, text: str) -> Reply:
    with call.settings.ledger.open("a") as ledger:
        ledger.write(text + "\\n")
    return Reply(f"{text}.")


@command(risk=Risk.CHANGE)
async def switch(call: Call, what: str, to: str) -> Reply:
    """Switch something: switch lamp on"""
    return _done(call, f"{what} {to}")


@command(risk=Risk.CHANGE, timeout=3600)
async def slow(call: Call) -> Reply:
    """Wait for the gate: slow"""
    while not call.settings.gate.exists():
        await asyncio.sleep(0.01)
    return _done(call, "slow")


@command(risk=Risk.DANGER)
async def blow(call: Call, what: str) -> Reply:
    """Blow something up: blow shed"""
    return _done(call, f"{what} gone")
'''

LATER = "This code was used, cancelled, or is too old. Nothing was done."


#: Changes that wait behind a slow one: if each took a carrier, none would be free.
MANY = CARRIERS + 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Any:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "deeds.py").write_text(MODULE)
    who = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["*"]},
    }
    files = {"ledger": str(tmp_path / "ledger"), "gate": str(tmp_path / "gate")}
    modules = {"folders": [str(folder)], "deeds": files}
    with TestHouse(tmp_path, who, modules, clock) as house:
        yield house


@pytest.fixture
def done(tmp_path: Path) -> Callable[[], list[str]]:
    """What was done so far, in order."""
    ledger = tmp_path / "ledger"
    return lambda: ledger.read_text().splitlines() if ledger.exists() else []


def in_work(house: TestHouse, count: int) -> None:
    """Wait until so many messages are in hand."""
    house.until(lambda: len([*(house.spool / "work").glob("*.eml")]) >= count)


def code_in(text: str) -> str:
    match = re.search(r"yes (\d{4})", text)
    assert match is not None, text
    return match[1]


class TestTheSame:
    """The very same change within a minute runs once, unless something was changed in between."""

    @pytest.fixture(autouse=True)
    def _ready(self, house: TestHouse, clock: FakeClock) -> None:
        self.house, self.clock = house, clock
        self.phones = {name: house.phone(name) for name in ("ann", "bo")}

    def told(self, person: str, text: str) -> str:
        self.phones[person].text(text)
        pass_(self.house, self.clock, 5)
        return self.phones[person].reply

    def test_on_off_on_ends_with_on(self, done: Callable[[], list[str]]) -> None:
        for to in ("on", "off", "on"):
            assert self.told("ann", f"!switch lamp {to}") == f"lamp {to}."
        assert done() == ["lamp on", "lamp off", "lamp on"]

    def test_so_it_does_when_somebody_else_said_off(self, done: Callable[[], list[str]]) -> None:
        self.told("ann", "!switch lamp on")
        self.told("bo", "!switch lamp off")
        assert self.told("ann", "!switch lamp on") == "lamp on."
        assert done() == ["lamp on", "lamp off", "lamp on"]

    def test_a_job_that_was_cancelled_can_be_made_again(self) -> None:
        made = self.told("ann", "!in 20m switch lamp off")
        self.told("ann", "!cancel 1")
        assert self.told("ann", "!in 20m switch lamp off").startswith(made.partition(":")[0][:4])
        assert "switch lamp off" in self.told("ann", "!jobs")

    def test_a_message_of_several_lines_that_comes_again_is_done_once(
        self, done: Callable[[], list[str]]
    ) -> None:
        for first in ("", "Already done: "):
            said = self.told("ann", "!switch lamp on\n!switch fan on")
            assert said.startswith(f"{first}lamp on.")
        assert done() == ["lamp on", "fan on"]

    def test_a_message_that_switched_on_and_off_again_is_no_answer_to_on(
        self, done: Callable[[], list[str]]
    ) -> None:
        """What came after it in that message counts: it said that the lamp is on, which was off."""
        self.told("ann", "!switch lamp on\n!switch lamp off")
        assert self.told("ann", "!switch lamp on") == "lamp on."
        assert self.told("ann", "!switch lamp on\n!switch fan on") == (
            "Already done: lamp on. fan on."
        )
        assert done() == ["lamp on", "lamp off", "lamp on", "fan on"]

    @pytest.mark.parametrize("first", ["!switch lamp on\n!jobs", "!jobs\n!switch lamp on"])
    def test_a_look_in_the_first_message_is_no_change_in_between(
        self, done: Callable[[], list[str]], first: str
    ) -> None:
        self.told("ann", first)
        assert self.told("ann", "!switch lamp on") == "Already done: lamp on."
        assert done() == ["lamp on"]

    def test_what_somebody_else_does_elsewhere_is_nothing_in_between(
        self, done: Callable[[], list[str]]
    ) -> None:
        self.told("ann", "!switch lamp on")
        self.told("bo", "!in 20m uptime")
        assert self.told("ann", "!switch lamp on") == "Already done: lamp on."
        assert done() == ["lamp on"]

    def test_asking_again_and_again_does_not_put_it_off_for_ever(
        self, done: Callable[[], list[str]]
    ) -> None:
        for _ in range(3):
            self.told("ann", "!switch lamp on")
            pass_(self.house, self.clock, 40)
        assert done() == ["lamp on", "lamp on"]


def test_after_a_fault_changes_are_done_in_the_order_in_which_they_came(
    house: TestHouse, done: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second was done by the life that met it, and the first refused as overtaken."""
    claim, go, failed = Record.claim, threading.Event(), list[str]()

    async def fail_once(self: Record, case: Case, file: str, run: Run) -> Run | None:
        if not failed:
            failed.append(file)
            await asyncio.to_thread(go.wait, 20)
            raise StorageError("database is locked")
        return await claim(self, case, file, run)

    monkeypatch.setattr(daemon, "BACK_OFF", (0.01,))
    monkeypatch.setattr(Record, "claim", fail_once)
    crew, phone = inside(house).worker._crew, house.phone("ann")
    phone.text("!switch lamp on")
    house.until(lambda: bool(failed))
    phone.text("!switch fan on")
    house.until(lambda: crew._in_line == 1)
    go.set()
    assert [phone.reply, phone.reply] == ["lamp on.", "fan on."]
    assert done() == ["lamp on", "fan on"]


class TestTurns:
    """A command that takes long keeps the next change of the same person waiting."""

    @pytest.fixture(autouse=True)
    def _busy(self, house: TestHouse, phone: Phone, tmp_path: Path) -> None:
        self.gate = tmp_path / "gate"
        self.house, self.phone = house, phone
        phone.text("!uptime")
        phone.wait()
        phone.text("!slow")
        in_work(house, 1)

    def test_a_change_that_became_too_old_meanwhile_is_not_done(
        self, clock: FakeClock, done: Callable[[], list[str]]
    ) -> None:
        self.phone.text("!switch heater on")
        in_work(self.house, 2)
        pass_(self.house, clock, 16 * 60)
        self.gate.touch()
        assert self.phone.reply == "slow."
        assert self.phone.reply.startswith("switch: Not done: sent 12:00")
        assert done() == ["slow"]
        dates = [each.mail["Date"].datetime for each in self.house.inbox.received[-2:]]
        assert dates == [clock.now().replace(microsecond=0)] * 2, "when it was over"

    def test_nor_is_one_of_a_person_who_was_switched_off(
        self, done: Callable[[], list[str]]
    ) -> None:
        self.phone.text("!switch door on")
        in_work(self.house, 2)
        at_home = inside(self.house)
        self.house.do(at_home.db.write(lambda conn: people.switch_off(conn, "ann", 0.0)))
        self.house.do(at_home.refresh())
        self.gate.touch()
        self.house.settle()
        assert done() == ["slow"]

    def test_the_second_tap_of_what_took_long_is_no_second_run(
        self, clock: FakeClock, done: Callable[[], list[str]]
    ) -> None:
        self.phone.text("!slow")
        in_work(self.house, 2)
        pass_(self.house, clock, 90)
        self.gate.touch()
        assert [self.phone.reply, self.phone.reply] == ["slow.", "Already done: slow."]
        assert done() == ["slow"]

    def test_a_flood_of_one_person_keeps_nobody_else_waiting(
        self, done: Callable[[], list[str]]
    ) -> None:
        for n in range(MANY):
            self.phone.text(f"!switch lamp{n} on")
        in_work(self.house, MANY)
        bo = self.house.phone("bo")
        bo.text("!switch fan on")
        assert bo.reply == "fan on."
        self.gate.touch()
        for _ in range(MANY + 1):
            self.phone.wait()
        assert done() == ["fan on", "slow", *(f"lamp{n} on" for n in range(MANY))]

    def test_a_stop_waits_for_none_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("housecarl.worker.STOP_SECONDS", 0.1)
        for n in range(MANY):
            self.phone.text(f"!switch lamp{n} on")
        in_work(self.house, MANY)
        self.house.stop()
        self.gate.touch()
        self.house.start()
        assert "slow was interrupted by a restart." in self.phone.reply


class TestCodes:
    """A right code frees its command once, also when that has to wait for its turn."""

    @pytest.fixture(autouse=True)
    def _asked(self, house: TestHouse, phone: Phone, tmp_path: Path) -> None:
        self.gate, self.house, self.phone = tmp_path / "gate", house, phone
        phone.text("!blow shed")
        self.code = code_in(phone.reply)
        phone.text("!slow")
        in_work(house, 1)
        phone.text(f"!yes {self.code}")
        in_work(house, 2)

    def test_typed_twice_it_is_used_once(self, done: Callable[[], list[str]]) -> None:
        self.phone.text(f"!yes {self.code}")
        in_work(self.house, 3)
        self.gate.touch()
        told = [self.phone.reply for _ in range(3)]
        assert told == ["slow.", "shed gone.", "Already done: shed gone."]
        assert done() == ["slow", "shed gone"]

    def test_cancelled_before_its_turn_comes_it_frees_nothing(
        self, done: Callable[[], list[str]]
    ) -> None:
        self.phone.text("!no")
        assert self.phone.reply == "Cancelled. Nothing was done."
        self.gate.touch()
        assert [self.phone.reply, self.phone.reply] == ["slow.", LATER]
        assert done() == ["slow"]

    def test_too_old_when_its_turn_comes_it_frees_nothing(
        self, clock: FakeClock, done: Callable[[], list[str]]
    ) -> None:
        pass_(self.house, clock, 601)
        self.gate.touch()
        assert [self.phone.reply, self.phone.reply] == ["slow.", LATER]
        assert done() == ["slow"]


def test_yes_stands_alone_in_its_message(phone: Phone, done: Callable[[], list[str]]) -> None:
    """Else what stands beside it would be dropped without a word."""
    phone.text("!blow shed")
    code = code_in(phone.reply)
    for lines in (f"!yes {code}\n!switch lamp on", f"!uptime\n!yes {code}"):
        phone.text(lines)
        assert phone.reply == "yes must stand alone in its message. Nothing was done."
    phone.text(f"!yes {code}")
    assert phone.reply == "shed gone."
    assert done() == ["shed gone"]


def test_of_what_waits_at_a_start_the_first_is_done_first(
    house: TestHouse, done: Callable[[], list[str]]
) -> None:
    """Though it takes longer to see whose file it is than who logged in."""
    house.stop()
    hashed = house.folder / "hash"
    hashed.write_text("$argon2id$")
    hashed.chmod(0o600)
    ann = {**house.people["ann"], "addresses": ["ann@example.org"]}
    house.people["ann"] = {**ann, "login": {"user": "ann", "hash": {"file": str(hashed)}}}
    stamp = Stamp("job", house.clock.now(), key="job:1:1", uid=str(os.geteuid()), as_person="ann")
    leave(house, stamp, as_message(b"!switch lamp on\n"))
    stamp = Stamp("smtp", house.clock.now() + timedelta(seconds=1), login="ann")
    mail = b"From: ann@example.org\r\nMessage-ID: <1@example.org>\r\n\r\n!switch lamp off\r\n"
    leave(house, stamp, mail)
    house.start()
    house.settle()
    assert done() == ["lamp on", "lamp off"]


def leave(house: TestHouse, stamp: Stamp, raw: bytes) -> None:
    """A message that was taken in by a life that ended before it could be carried."""
    (house.spool / "new" / make_name(stamp.arrived)).write_bytes(stamp.line() + raw)


class Hesitant(Answers):
    """DNS that has no answer for a while."""

    silent = False

    async def txt(self, name: str) -> tuple[bytes, ...]:
        if Hesitant.silent:
            raise TrustLater("no answer")
        return await super().txt(name)


class Mute(Answers):
    """DNS that never says anything, and lets nobody go."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        await asyncio.get_running_loop().create_future()
        return ()


def test_what_hangs_on_its_way_holds_up_no_later_change_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.testing.house.Answers", Mute)
    monkeypatch.setattr("housecarl.crew.ORDER_SECONDS", 0.05)
    monkeypatch.setattr("housecarl.worker.STOP_SECONDS", 0.01)
    login = pwd.getpwuid(os.getuid()).pw_name
    who = {"phones": ["+13035550123"], "addresses": ["ann@example.org"], "may": ["*"]}
    with TestHouse(tmp_path, {"ann": {**who, "unix": [login]}}) as house:
        house.phone().text("!in 1h uptime")
        in_work(house, 1)
        house.drop("!in 2h uptime\n")
        assert house.inbox.wait(1)[0].text.startswith("Job 1: ")


def test_what_comes_to_wait_while_the_house_is_closed_keeps_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer of half an hour would, at each reload."""
    ended, stop = asyncio.Event(), Worker.stop

    async def txt(*_: object) -> tuple[bytes, ...]:
        await ended.wait()
        raise TrustLater("no answer")

    async def end(worker: Worker) -> None:
        ended.set()
        await stop(worker)

    monkeypatch.setattr(Answers, "txt", txt)
    monkeypatch.setattr(Worker, "stop", end)
    with TestHouse(tmp_path) as house:
        house.phone().text("!uptime")
        in_work(house, 1)
        left = inside(house)
        house.stop()
    assert [timer.cancelled() for timer in left.waiting._timers.values()] == [True]


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestHouse]:
    """A house whose DNS has no answer, until the test lets it speak."""
    monkeypatch.setattr("housecarl.testing.house.Answers", Hesitant)
    monkeypatch.setattr(Hesitant, "silent", True)
    (tmp_path / "deeds").mkdir()
    (tmp_path / "deeds" / "deeds.py").write_text(MODULE)
    files = {"ledger": str(tmp_path / "ledger"), "gate": str(tmp_path / "gate")}
    modules = {"folders": [str(tmp_path / "deeds")], "deeds": files}
    with TestHouse(tmp_path, modules=modules) as house:
        yield house


def test_a_change_that_a_later_one_overtook_is_not_done(
    silent: TestHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first waits for DNS, the second does not: what is asked for last is what stays."""
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.5,))
    phone = silent.phone()
    phone.text("!switch lamp on")
    in_work(silent, 1)
    monkeypatch.setattr(Hesitant, "silent", False)
    phone.text("!switch lamp off")
    assert phone.reply == "lamp off."
    assert phone.reply == "switch: not done, a later one was done first. Text it again."
    assert (tmp_path / "ledger").read_text() == "lamp off\n"


def test_what_waited_for_dns_is_done_in_the_order_in_which_it_came(
    silent: TestHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though who came last waits the shortest time."""
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (60.0,))
    phone = silent.phone()
    phone.text("!switch heater off")
    waiting(silent, 1)
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.5,))
    phone.text("!switch lamp on")
    waiting(silent, 2)
    monkeypatch.setattr(Hesitant, "silent", False)
    assert [phone.reply, phone.reply] == ["heater off.", "lamp on."]
    assert (tmp_path / "ledger").read_text() == "heater off\nlamp on\n"


def test_so_it_is_at_a_start_however_long_each_would_wait_yet(
    silent: TestHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes at that moment waits for nothing, and would overtake them."""
    phone = silent.phone()
    for n, text in enumerate(("!switch heater off", "!switch lamp on"), start=1):
        phone.text(text)
        waiting(silent, n)
    silent.stop()
    monkeypatch.setattr(Hesitant, "silent", False)
    silent.start()
    phone.text("!switch fan on")
    assert [phone.reply for _ in range(3)] == ["heater off.", "lamp on.", "fan on."]
    assert (tmp_path / "ledger").read_text() == "heater off\nlamp on\nfan on\n"


def waiting(house: TestHouse, count: int) -> None:
    """Wait until so many messages wait for DNS."""
    of = inside(house).waiting
    house.until(lambda: len(of._timers) == count)
