"""A text in the journal that is damaged costs that text, not the house: SQLite finds no such."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stories.talk import inside

from housecarl.journal import JOURNAL, codes, connect, events, jobs, people, receipts, runs
from housecarl.journal.events import Event
from housecarl.journal.receipts import Receipt
from housecarl.journal.runs import Run
from housecarl.message.stamp import Stamp
from housecarl.testing.house import TestHouse

pytestmark = pytest.mark.long(after=1)

NAME = "20261123T120000.000000-{}.eml"
BEGUN, WAITS, OVER = "7f3a90c1d2e4b5a6", "8f3a90c1d2e4b5a6", "9f3a90c1d2e4b5a6"

#: Every text that is read as JSON.
TEXTS = {
    "receipts": ("calls", "thread", "checks"),
    "runs": ("words",),
    "codes": ("words",),
    "pages": ("rest",),
    "jobs": ("text",),
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    """A house whose last life left something of everything, and is closed."""
    login = pwd.getpwuid(os.getuid()).pw_name
    people_here = {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "unix": [login]}}
    with TestHouse(tmp_path, people_here) as house:
        house.stop()
        now = house.clock.now()
        at = now.timestamp()
        conn = connect(house.spool / JOURNAL)
        for identity, state, text in (
            (BEGUN, "started", "!plug lamp on"),
            (WAITS, "waiting", "!help uptime"),
            (OVER, "executed", "!uptime"),
        ):
            name = NAME.format(identity)
            raw = f"Content-Type: text/plain\r\n\r\n{text}\r\n".encode()
            stamp = Stamp("drop", now, key=name, uid=str(os.getuid()), as_person="ann")
            (house.spool / "work" / name).write_bytes(stamp.line() + raw)
            calls = (tuple(text[1:].split()),)
            receipt = Receipt(
                identity, name, at, "drop", person="ann", proof="local", calls=calls, state=state
            )
            receipts.store(conn, receipt)
        runs.start(conn, Run(BEGUN, 0, ("plug", "lamp", "on"), "ann", "change", at))
        codes.issue(conn, "ann", "1234", ("firmware", "lamp"), OVER, at, at + 600)
        people.keep_pages(conn, "ann", ["more of it"], at)
        events.add(conn, Event(at, "post-trouble", "text"))
        jobs.add(conn, "ann", '["uptime"]', at + 3600, None, OVER, at)
        conn.close()
        yield house


def damage(house: TestHouse, column: str, table: str, value: bytes, where: str = "true") -> None:
    """One text as a bad spot on the disk leaves it."""
    conn = connect(house.spool / JOURNAL)
    conn.execute(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {where}", (value,))
    conn.close()


def answer(house: TestHouse, text: str) -> str:
    before = len(house.inbox.received)
    house.drop(text, f"{before}.txt")
    return house.inbox.wait(before + 1)[-1].text.splitlines()[0]


@pytest.mark.parametrize("value", [b"[bad", b'["\xff', b"null"], ids=["json", "utf-8", "type"])
def test_the_house_opens_and_everything_else_goes_on(house: TestHouse, value: bytes) -> None:
    for table, columns in TEXTS.items():
        for column in columns:
            damage(house, column, table, value)
    house.start()
    at_home = inside(house)
    told = sorted(each.text.splitlines()[0] for each in house.inbox.wait(2))
    assert told[0].startswith("plug was interrupted by a restart. It may have been done.")
    assert told[1].startswith("uptime - ")
    assert answer(house, "!more") == "That was all."
    assert answer(house, "!yes 1234").startswith("Nothing waits for a code")
    assert "something unreadable" in answer(house, "!jobs")
    assert answer(house, "!log").startswith("Log: ")
    assert answer(house, "!cancel 1").startswith("Job 1 cancelled: ")
    assert inside(house) is at_home


def test_letters_that_are_none_any_more_are_shown_as_such(house: TestHouse) -> None:
    """Read as a fault of the disk they opened the house again and again for one `!log`."""
    damage(house, "calls", "receipts", b'[["upt\xffme"]]', f"id = '{OVER}'")
    damage(house, "sender", "receipts", b"\xff")
    house.start()
    at_home = inside(house)
    house.inbox.wait(2)
    assert "upt?me" in answer(house, "!log").replace("�", "?")
    assert inside(house) is at_home


def test_a_message_whose_state_is_damaged_is_kept_for_a_person(house: TestHouse) -> None:
    damage(house, "state", "receipts", b"exe\x01uted", f"id = '{OVER}'")
    house.start()
    house.inbox.wait(2)
    house.settle()
    assert [each.name for each in (house.spool / "failed").glob("*.eml")] == [NAME.format(OVER)]
