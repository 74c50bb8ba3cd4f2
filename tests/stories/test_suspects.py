"""What was in hand when one life after the other ended: carried alone, or given up and told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from housecarl.errors import AnswerPending, ConfigError, StorageError, TrustLater
from housecarl.journal import JOURNAL, connect, receipts, values
from housecarl.journal.receipts import Receipt
from housecarl.message.stamp import Stamp
from housecarl.record import Record
from housecarl.suspects import ASKS
from housecarl.testing.house import TestHouse
from housecarl.trust import Answers

pytestmark = pytest.mark.long(after=2)

MODULE = '''
"""Looks that wait until a file is there."""
import asyncio
from pathlib import Path

from housecarl import Call, Reply, command
from pydantic import BaseModel


class Settings(BaseModel):
    folder: Path


@command()
async def look(call: Call, gate: str) -> Reply:
    """Wait for a gate: look north"""
    (call.settings.folder / f"{gate}.begun").touch()
    while not (call.settings.folder / gate).exists():
        await asyncio.sleep(0.005)
    return Reply(f"{gate}.")
'''


class Slow(Answers):
    """DNS that takes its time until it is let."""

    def __init__(self, names: Any) -> None:
        super().__init__(names)
        self.asked = 0
        self.answered: asyncio.Future[None] | None = None

    async def txt(self, name: str) -> tuple[bytes, ...]:
        self.asked += 1
        self.answered = self.answered or asyncio.get_running_loop().create_future()
        if not self.answered.done():
            raise AnswerPending(name, self.answered)
        return await super().txt(name)


class Silent(Answers):
    """DNS that has no answer."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        raise TrustLater("no answer")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    """A house that was killed once."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "gates.py").write_text(MODULE)
    ann = {"phones": ["+13035550123"], "addresses": ["ann@example.org"], "may": ["*"]}
    people = {"ann": {**ann, "unix": ["root"]}}
    modules = {"folders": ["mine"], "gates": {"folder": str(tmp_path)}}
    with TestHouse(tmp_path, people, modules) as house:
        house.stop()
        kill(house)
        yield house


@pytest.fixture
def dns(house: TestHouse, monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow(house.carrier.dns)
    monkeypatch.setattr("housecarl.testing.house.Answers", lambda _: slow)
    return slow


def kill(house: TestHouse) -> None:
    """Let it seem that its last life did not end by itself."""
    (house.spool / ".journal" / "lock").write_bytes(b"")


def name(n: int) -> str:
    return f"20261123T12000{n}.000000-{n:016x}.eml"


def leave(house: TestHouse, *texts: str) -> None:
    """Messages as a life left them, each dropped by ann."""
    for n, text in enumerate(texts):
        stamp = Stamp("drop", house.clock.now(), key=name(n), uid="0", as_person="ann")
        raw = f"Content-Type: text/plain\r\n\r\n{text}\r\n".encode()
        (house.spool / "work" / name(n)).write_bytes(stamp.line() + raw)


def leave_text(house: TestHouse, text: str) -> None:
    """A text, whose signature wants a key of DNS."""
    raw = house.carrier.text("+13035550123", text, house.clock.now())
    (house.spool / "work" / name(0)).write_bytes(Stamp("smtp", house.clock.now()).line() + raw)


def note(house: TestHouse, key: str, value: object) -> None:
    """What the last life noted of them."""
    with closing(connect(house.spool / JOURNAL)) as conn:
        values.put(conn, "_suspects", key, value, 0.0)


def noted(house: TestHouse) -> dict[str, Any]:
    with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
        found = values.everything(conn, "_suspects")
    return {key: found.get(key) for key in ("alone", "over")}


def receipts_of(house: TestHouse) -> list[Receipt]:
    with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
        return list(receipts.listing(conn, limit=9))


def begun(house: TestHouse, gate: str) -> Callable[[], bool]:
    return (house.folder / f"{gate}.begun").exists


def wait(done: Callable[[], bool]) -> None:
    """Until it is so, in a house that is not open yet."""
    end = time.monotonic() + 10.0
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def speak(house: TestHouse, dns: Slow) -> None:
    async def answer() -> None:
        assert dns.answered is not None
        dns.answered.set_result(None)

    house.do(answer())


def texts(house: TestHouse, count: int) -> list[str]:
    return [mail.text.splitlines()[0].partition(" Log ")[0] for mail in house.inbox.wait(count)]


@pytest.mark.long
def test_what_comes_while_one_is_carried_alone_waits_for_its_end(house: TestHouse) -> None:
    """If that ended the daemon, the other would be given up for it; and it overtook what waited."""
    leave(house, "!look north", "!look south")
    note(house, "left", [name(0)])
    start = threading.Thread(target=house.start)
    start.start()
    wait(begun(house, "north"))
    house.drop("!look east\n")
    assert not begun(house, "south")()
    assert noted(house) == {"alone": name(0), "over": None}
    for gate in ("north", "south", "east"):
        (house.folder / gate).touch()
    start.join()
    assert sorted(texts(house, 3)) == ["east.", "north.", "south."]
    assert noted(house) == {"alone": None, "over": None}


def test_a_life_that_ended_by_itself_blames_no_message(house: TestHouse) -> None:
    """One restart after the other, also with a disk that did not let it take the blame back."""
    house.start()
    house.stop()
    leave(house, "!look north", "!look south")
    note(house, "left", [name(0), name(1)])
    note(house, "alone", name(0))
    note(house, "over", [name(1), 1])
    house.start()
    house.until(begun(house, "north"))
    house.until(begun(house, "south"))
    assert noted(house) == {"alone": None, "over": None}
    (house.folder / "north").touch()
    (house.folder / "south").touch()
    assert sorted(texts(house, 2)) == ["north.", "south."]


def test_what_a_start_finds_the_next_one_suspects(house: TestHouse) -> None:
    leave(house, "!look north")
    house.start()
    house.until(begun(house, "north"))
    with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
        assert values.get(conn, "_suspects", "left") == [name(0)]
    (house.folder / "north").touch()
    assert texts(house, 1) == ["north."]


def test_a_start_in_vain_takes_the_blame_from_no_message(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who mends what ends the daemon each time may make a mistake in the configuration."""
    leave(house, "!look north")
    note(house, "alone", name(0))
    with monkeypatch.context() as slip, pytest.raises(ConfigError, match="fodler"):
        slip.setattr(house, "_modules", {"folders": ["mine"], "gates": {"fodler": "/"}})
        house.start()
    house.start()
    assert texts(house, 1) == ["Something broke here. It may not have been done."]
    assert not begun(house, "north")()


def test_a_slow_one_is_not_waited_for_nor_the_others_by_those_that_follow_it(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a house where something is always in hand these would wait for ever."""
    monkeypatch.setattr("housecarl.recover.SUSPECTS_SECONDS", 0.05)
    leave(house, "!look north", "!look south", "!look east")
    note(house, "left", [name(0), name(1)])
    house.start()
    house.until(begun(house, "east"))
    assert not begun(house, "south")()
    (house.folder / "north").touch()
    (house.folder / "south").touch()
    assert texts(house, 2) == ["north.", "south."]
    (house.folder / "east").touch()
    assert texts(house, 3)[2] == "east."


def test_one_for_which_dns_takes_its_time_is_carried_alone_once_it_has_answered(
    house: TestHouse, dns: Slow
) -> None:
    """Else the house would start and end for ever; nobody waits for that meanwhile."""
    leave_text(house, "!look north")
    note(house, "left", [name(0)])
    house.start()
    house.drop("!help uptime\n")
    assert texts(house, 1)[0].startswith("uptime - ")
    assert noted(house) == {"alone": None, "over": None}
    speak(house, dns)
    house.until(begun(house, "north"))
    assert noted(house) == {"alone": name(0), "over": None}
    (house.folder / "north").touch()
    assert texts(house, 2)[1] == "north."


def test_one_that_is_given_up_is_told_to_its_sender_once_dns_says_who_that_is(
    house: TestHouse, dns: Slow
) -> None:
    leave_text(house, "!look north")
    note(house, "alone", name(0))
    house.start()
    house.until(lambda: dns.asked > 0)
    house.stop()
    assert noted(house) == {"alone": None, "over": None}, "a stop is not its fault"
    note(house, "alone", name(0))
    kill(house)
    house.start()
    house.drop("!help uptime\n")
    assert texts(house, 1)[0].startswith("uptime - ")
    speak(house, dns)
    assert texts(house, 2)[1] == "Something broke here. It may not have been done."
    house.settle()
    assert [path.parent.name for path in house.spool.rglob("*0000000.eml")] == ["failed"]
    assert not begun(house, "north")()


@pytest.mark.parametrize(
    ("asked", "told"),
    [(ASKS - 1, ["Something broke here. It may not have been done."]), (ASKS, [])],
)
def test_who_sent_one_that_is_given_up_is_looked_for_until_that_seems_to_end_the_daemon(
    house: TestHouse, asked: int, told: list[str]
) -> None:
    """A power cut at that moment costs nobody their answer."""
    leave(house, "!look north")
    note(house, "over", [name(0), asked])
    house.start()
    house.until(lambda: [each.state for each in receipts_of(house)] == ["failed"])
    house.drop("!help uptime\n")
    *first, last = texts(house, len(told) + 1)
    assert first == told and last.startswith("uptime")


def test_one_to_be_given_up_waits_while_there_is_no_dns(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known then who is to be told, and its key, by which a copy of it is known again."""
    silent = Silent(house.carrier.dns)
    monkeypatch.setattr("housecarl.testing.house.Answers", lambda _: silent)
    leave_text(house, "!look north")
    note(house, "alone", name(0))
    house.start()
    house.until(lambda: [each.state for each in receipts_of(house)] == ["waiting"])
    assert [path.parent.name for path in house.spool.rglob("*0000000.eml")] == ["work"]


def test_a_fault_of_the_disk_while_one_is_given_up_opens_the_house_again(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed in work/ until the next start, and its sender heard nothing."""
    fail, faults = Record.fail, iter([StorageError("disk I/O error")])

    async def failing(record: Record, *given: Any) -> None:
        for fault in faults:
            raise fault
        await fail(record, *given)

    monkeypatch.setattr(Record, "fail", failing)
    leave(house, "!look north")
    note(house, "alone", name(0))
    (house.folder / "north").touch()
    house.start()
    assert texts(house, 1) == ["north."]


def test_a_copy_of_a_dropped_file_that_was_given_up_is_not_carried_out(house: TestHouse) -> None:
    """What ended the daemon before the file was removed is taken from the spool once more."""
    leave(house, "!look north")
    note(house, "over", [name(0), 1])
    house.start()
    assert texts(house, 1) == ["Something broke here. It may not have been done."]
    house.stop()
    leave(house, "!look north")
    (house.spool / "work" / name(0)).rename(house.spool / "new" / name(7))
    house.start()
    house.settle()
    assert [each.reason for each in receipts_of(house)][0] == "replay"
    assert not begun(house, "north")()
