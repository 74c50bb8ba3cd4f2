"""What a start tells of background work that the last life was cut off in."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import inside

from housecarl import life
from housecarl.journal import JOURNAL, connect, receipts, runs, values
from housecarl.journal.receipts import Receipt
from housecarl.journal.runs import Run
from housecarl.means import BACKGROUND
from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug

pytestmark = pytest.mark.long(after=2)

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
ID = "7f3a90c1d2e4b5a6"
DEAD = {"pid": 999_999_999, "born": "another boot 1"}
NOTE = {
    "person": "ann",
    "command": "firmware",
    "receipt": ID,
    "address": "",
    "subject": "",
    "in_reply_to": "",
    "references": "[]",
}
ROW = {
    "plug": "lamp",
    "running": OLD,
    "target": NEW,
    "auto": False,
    "receipt": ID,
    "started": 1.0,
    "steps": [["serve", "", 1.0]],
}
NOT_FLASHED = (
    "lamp: the flash of 00:00 was interrupted here. It runs 1.1.1, working: it was NOT flashed."
)

BROKEN = '''
"""A command that cannot tell what became of it."""
import asyncio
from housecarl import Call, Reply, command
from housecarl.errors import StorageError

async def rule(call: Call) -> Reply:
    raise ValueError("broken")

@command(interrupted=rule)
async def firm(call: Call) -> Reply:
    """Be firm."""
    return Reply("firm.")

async def full(call: Call) -> Reply:
    raise StorageError("the disk is full")

@command(interrupted=full)
async def fill(call: Call) -> Reply:
    """Fill."""
    return Reply("filled.")

async def look(call: Call) -> Reply:
    return Reply(f"{call.id[:4]} looked.")

async def wait(call: Call) -> Reply:
    await asyncio.Event().wait()

@command(interrupted=wait)
async def slow(call: Call) -> Reply:
    """Be slow."""
    return Reply("slow.")

@command(interrupted=look)
async def sure(call: Call) -> Reply:
    """Be sure."""
    return Reply("sure.")
'''


@pytest.fixture
def pace() -> float:
    return 0.005


@pytest.fixture
def house(tmp_path: Path, pace: float) -> Iterator[TestHouse]:
    """A house that was open once and is closed; its lamp runs the old version."""
    people = {"ann": {"addresses": ["ann@example.org", "ann@phone.example"], "may": ["*"]}}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "firm.py").write_text(BROKEN)
    with SimulatedPlug(alias="lamp", sw_ver=OLD) as plug:
        modules = {
            "folders": [str(tmp_path / "mine")],
            "plug": {"plugs": {"lamp": {"host": plug.host, "port": plug.port}}},
            "firmware": {"pace": pace},
        }
        with TestHouse(tmp_path, people, modules) as house:
            house.stop()
            yield house


def leave(house: TestHouse, module: str, key: str, value: Any) -> None:
    """A value as the last life left it."""
    conn = connect(house.spool / JOURNAL)
    values.put(conn, module, key, value, 1.0)
    conn.close()


def told(house: TestHouse, count: int = 1) -> list[str]:
    return [each.text.splitlines()[0] for each in house.inbox.wait(count)]


def left(house: TestHouse) -> dict[str, Any]:
    """Background work that is noted in the journal."""
    conn = connect(house.spool / JOURNAL)
    found = values.everything(conn, BACKGROUND)
    conn.close()
    return found


def test_a_flash_that_was_cut_off_is_told_once(house: TestHouse) -> None:
    leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD)
    leave(house, "firmware", "flash", ROW | DEAD)
    house.start()
    assert told(house) == [NOT_FLASHED]
    house.until(lambda: not left(house))
    house.stop()
    house.start()
    assert told(house) == [NOT_FLASHED]


def test_two_works_of_one_message_are_told_in_two_mails(house: TestHouse) -> None:
    """With one Message-ID they were the same mail to a mail host, which kept one of them."""
    conn = connect(house.spool / JOURNAL)
    receipts.store(conn, Receipt(ID, "x", 1.0, "drop", person="ann", state="executed"))
    conn.close()
    for n in (1, 2):
        leave(house, BACKGROUND, f"{ID}.{n}", NOTE | DEAD | {"command": "gone"})
    house.start()
    assert told(house, 2) == ["gone was interrupted by a restart. Log 7f3a."] * 2
    assert len({each.mail["Message-ID"] for each in house.inbox.received}) == 2


def test_a_verdict_that_was_written_down_and_not_sent_is_sent(house: TestHouse) -> None:
    leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD)
    leave(house, "firmware", "flash.last", ROW | DEAD | {"outcome": "lamp flashed: 1.1.1 > 1.2.3."})
    house.start()
    assert told(house) == ["lamp flashed: 1.1.1 > 1.2.3."]


def test_killed_before_the_work_was_noted_the_verdict_still_comes(house: TestHouse) -> None:
    """The row was claimed, nothing else: the message is told as interrupted, then the truth."""
    leave(house, "firmware", "flash", ROW | DEAD)
    words = ("firmware", "lamp", "flash")
    name = f"20261123T120000.000000-{ID}.eml"
    (house.spool / "work" / name).write_bytes(b"x")
    conn = connect(house.spool / JOURNAL)
    receipts.store(
        conn,
        Receipt(
            ID, name, 1.0, "drop", person="ann", proof="local", calls=(words,), state="started"
        ),
    )
    runs.finish(conn, Run(ID, 0, words, "ann", "danger", 1.0))
    conn.close()
    house.start()
    generic = f"firmware was interrupted by a restart. It may have been done. Log {ID[:4]}."
    assert sorted(told(house, 2)) == [generic, NOT_FLASHED]


def test_what_has_ended_or_is_noted_by_itself_is_asked_about_no_second_time(
    house: TestHouse,
) -> None:
    """Of two messages that were cut off: one noted its work, of the other that command was over."""
    ended, other = Run(f"b{ID[1:]}", 0, ("sure",), "ann", "change", 1.0), f"b{ID[1:]}"
    cut = [Run(ID, 0, ("sure",), "ann", "change", 1.0), ended._replace(n=1, words=("gone",))]
    conn = connect(house.spool / JOURNAL)
    for run in cut:
        began = Receipt(run.receipt, f"{run.receipt}.eml", 1.0, "drop", person="ann")
        receipts.store(conn, replace(began, proof="local", state="started"))
        runs.start(conn, run)
    runs.finish(conn, ended._replace(ended=2.0, outcome="done", text="sure."))
    conn.close()
    leave(house, BACKGROUND, f"{ID}.9", NOTE | DEAD | {"command": "sure"})
    house.start()
    house.until(lambda: not left(house))
    house.drop("As: ann\n!jobs\n")
    cut_off = "was interrupted by a restart. It may have been done. Log"
    assert sorted(told(house, 4)) == [
        f"{ID[:4]} looked.",
        "No jobs.",
        f"sure {cut_off} {ID[:4]}.",
        f"sure. gone {cut_off} {other[:4]}.",
    ]


def test_work_of_a_process_that_is_still_at_it_is_left_alone(house: TestHouse) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    leave(house, BACKGROUND, f"{ID}.1", NOTE | {"pid": other.pid, "born": life._born(other.pid)})
    house.start()
    house.stop()
    assert list(left(house)) == [f"{ID}.1"] and not house.inbox.received
    other.communicate(b"\n", 10)
    house.start()
    assert told(house) == [f"firmware was interrupted by a restart. Log {ID[:4]}."]


def test_a_rule_that_breaks_leaves_the_general_sentence(house: TestHouse) -> None:
    leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD | {"command": "firm"})
    house.start()
    assert told(house) == [f"firm was interrupted by a restart. Log {ID[:4]}."]


def test_a_rule_that_finds_nothing_out_keeps_nobody_waiting_for_ever(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.recover.RULE_SECONDS", 0.05)
    leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD | {"command": "slow"})
    house.start()
    assert told(house) == [f"slow was interrupted by a restart. Log {ID[:4]}."]


def test_a_rule_that_the_disk_keeps_from_answering_is_asked_at_the_next_start(
    house: TestHouse,
) -> None:
    leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD | {"command": "fill"})
    house.start()
    workshop = inside(house).workshop
    house.until(lambda: not workshop.questions)
    house.stop()
    assert list(left(house)) == [f"{ID}.1"] and not house.inbox.received


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, until it is told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def test_each_note_of_the_last_life_ends_as_it_can(
    house: TestHouse, stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.recover.LOOK_SECONDS", 0.005)
    busy = {"pid": stranger.pid, "born": life._born(stranger.pid)}
    way = {"address": "ann@phone.example", "subject": "Re: text"}
    notes: dict[str, dict[str, Any]] = {
        "told-with-its-message": {**DEAD, "command": "firm", "told": True},
        "command-gone": {**DEAD, "command": "gone"},
        "on-a-conversation": {**DEAD, "command": "lost", **way},
        "command-gone-still-at-it": {**busy, "command": "gone"},
        "module-taken-away-meanwhile": {**busy, "command": "firm"},
        "told-by-who-was-at-it": busy,
    }
    for key, note in notes.items():
        leave(house, BACKGROUND, key, {**NOTE, **note})
    house.start()
    said = [f"{name} was interrupted by a restart. Log {ID[:4]}." for name in ("gone", "lost")]
    assert sorted(told(house, 2)) == said
    (answer,) = house.inbox.to("ann@phone.example")
    assert answer.text.startswith(said[1])

    at_home = inside(house)
    (house.folder / "mine" / "firm.py").unlink()
    house.do(at_home.reload_modules())
    house.do(at_home.workshop.conclude("told-by-who-was-at-it", None, None))
    stranger.communicate(b"\n", 10)
    house.until(lambda: not at_home.workshop.questions)
    assert len(house.inbox.received) == 2
    assert sorted(left(house)) == ["command-gone-still-at-it", "module-taken-away-meanwhile"]


class TestRealPace:
    """As long as real plugs take."""

    @pytest.fixture
    def pace(self) -> float:
        return 1.0

    def test_a_stop_does_not_wait_for_what_is_being_found_out(self, house: TestHouse) -> None:
        """The next start asks again."""
        leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD)
        leave(house, "firmware", "flash", ROW | DEAD | {"steps": [["commit", "", time.time()]]})
        for _ in range(2):
            house.start()
            began = time.monotonic()
            house.stop()
            assert time.monotonic() - began < 5
            assert list(left(house)) == [f"{ID}.1"] and not house.inbox.received

    def test_a_plug_that_may_be_writing_is_left_alone_though_it_has_another_name_by_now(
        self, house: TestHouse
    ) -> None:
        lamp = house._modules["plug"]["plugs"]["lamp"]
        leave(house, BACKGROUND, f"{ID}.1", NOTE | DEAD)
        row = ROW | DEAD | lamp | {"plug": "porch", "steps": [["commit", "", time.time()]]}
        leave(house, "firmware", "flash", row)
        house.start()
        house.drop("As: ann\n!plug lamp off\n")
        why = "lamp may be writing its firmware; do not unplug it."
        assert told(house) == [f"{why} Nothing was switched."]
