"""Work that goes on after the reply: it is told how it ends, whatever ends it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.stories import notes
from tests.stories.talk import inside, queue, switch

from housecarl import crew, means, worker
from housecarl.journal import JOURNAL, connect, values
from housecarl.journal.database import Do
from housecarl.means import BACKGROUND
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=3)

MODULE = '''
"""A pot of coffee."""
import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from housecarl import Call, Reply, Risk, command
from pydantic import AfterValidator

HERE = Path(__file__).parent


async def _brewed(call: Call) -> None:
    while not (HERE / "hot").exists():
        await asyncio.sleep(0.005)
    await call.follow_up(Reply("The coffee is ready."))


async def _spilt(call: Call) -> None:
    raise ValueError("no pot")


@command(risk=Risk.CHANGE)
async def brew(call: Call, when: str = "soon") -> Reply:
    """Brew."""
    call.spawn(_brewed(call))
    return Reply("Brewing.")


async def _heated(call: Call) -> None:
    call.spawn(_brewed(call))


@command(risk=Risk.CHANGE)
async def heat(call: Call) -> Reply:
    """Heat."""
    call.spawn(_heated(call))
    return Reply("Heating.")


async def _ground(call: Call) -> None:
    time.sleep(0.5)  # held here


@command(risk=Risk.CHANGE)
async def grind(call: Call) -> Reply:
    """Grind."""
    call.spawn(_ground(call))
    return Reply("Grinding.")


def _weighed(args: object) -> Risk:
    time.sleep(0.5)  # the rule
    return Risk.LOOK


@command(risk=_weighed)
def weigh(call: Call) -> Reply:
    """Weigh."""
    return Reply("Weighed.")


def _counted(word: str) -> str:
    time.sleep(0.5)  # the check
    return word


@command()
def count(call: Call, beans: Annotated[str, AfterValidator(_counted)]) -> Reply:
    """Count."""
    return Reply("Counted.")


@command(risk=Risk.CHANGE)
async def spill(call: Call) -> Reply:
    """Spill."""
    call.spawn(_spilt(call))
    return Reply("Brewing.")


async def _clung(args: object) -> str:
    while not (HERE / "loose").exists():
        try:
            await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            pass
    return "Cling?"


@command(risk=Risk.CHANGE)
async def cling(call: Call) -> Reply:
    """Cling."""
    call.spawn(_clung(call))
    return Reply("Clinging.")


@command(risk=Risk.DANGER, confirm=_clung)
async def grip(call: Call) -> Reply:
    """Grip."""
    return Reply("Gripped.")


async def _dropped(call: Call) -> None:
    pot = asyncio.ensure_future(asyncio.sleep(60))
    pot.cancel()
    await pot


@command(risk=Risk.CHANGE)
async def drop(call: Call) -> Reply:
    """Drop."""
    call.spawn(_dropped(call))
    return Reply("Brewing.")


@command(risk=Risk.CHANGE)
async def pour(call: Call, cup: str) -> Reply:
    """Pour."""
    async with call.lock("pot"):
        for what in ("begins", "ends"):
            with (HERE / "ledger").open("a") as ledger:
                ledger.write(f"{cup} {what}\\n")
            await asyncio.sleep(0.05)
    return Reply(f"{cup} is full.")


@command(risk=Risk.CHANGE)
async def someday(call: Call, year: int) -> Reply:
    """Do it in another age."""
    when = datetime(year, 1, 1, tzinfo=UTC)
    return Reply(f"Job {await call.schedule(when, 'uptime')}.")


@command(risk=Risk.CHANGE)
async def never(call: Call) -> Reply:
    """Do it behind the end of all dates."""
    try:
        return Reply(f"Job {await call.schedule(timedelta.max, 'uptime')}.")
    except ValueError:
        return Reply("Not that far.")


@command(risk=Risk.CHANGE)
async def later(call: Call, *words: str) -> Reply:
    """Do it later."""
    return Reply(f"Job {await call.schedule(timedelta(minutes=5), ' '.join(words))}.")
'''


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house") / "mine"
    folder.mkdir()
    (folder / "pot.py").write_text(MODULE)
    return folder


@pytest.fixture(scope="module")
def house(mine: Path) -> Iterator[TestHouse]:
    """One for all; the last test stops it."""
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["*"]},
        "cy": {"phones": ["+13035550188"], "may": ["*"]},
    }
    with TestHouse(mine.parent, people, {"folders": [str(mine)]}) as house:
        yield house


@pytest.fixture(scope="module")
def phone(house: TestHouse) -> Phone:
    return house.phone()


@pytest.mark.parametrize("word", ["spill", "drop"])
def test_what_breaks_in_it_is_told(house: TestHouse, phone: Phone, word: str) -> None:
    """Also when it cancels what it waits for, by itself: no restart has interrupted it."""
    phone.text(f"!{word}")
    told = sorted([phone.reply, phone.reply])
    assert told[0] == "Brewing."
    assert told[1].startswith(f"{word} failed. Log ")
    at_home = inside(house)
    house.until(lambda: not at_home.workshop.tasks)
    assert house.do(at_home.db.read(lambda conn: values.everything(conn, BACKGROUND))) == {}


def test_that_it_broke_is_told_and_the_work_forgotten_in_one_step(
    house: TestHouse, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start in between would tell of the same work that it was interrupted."""
    db = inside(house).db
    write, seen = db.write, list[tuple[int, int]]()

    async def seen_to_write(do: Do[Any]) -> Any:
        done = await write(do)
        seen.append(await db.read(left))
        return done

    def left(conn: Connection) -> tuple[int, int]:
        told = "SELECT count(*) FROM replies WHERE text LIKE 'spill failed.%'"
        return conn.execute(told).fetchone()[0], len(values.everything(conn, BACKGROUND))

    before = house.do(db.read(left))[0]
    monkeypatch.setattr(db, "write", seen_to_write)
    phone.text("!spill")
    assert sorted([phone.reply, phone.reply])[0] == "Brewing."
    house.until(lambda: (before + 1, 0) in seen)
    assert (before, 1) in seen
    assert (before + 1, 1) not in seen


def test_what_cannot_be_noted_is_not_begun_and_its_sender_hears_that(
    house: TestHouse, phone: Phone, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was locked for that moment: nothing would have told that the pot stays cold."""
    notes.fail(monkeypatch)
    (mine / "hot").touch()
    phone.text("!brew now")
    assert phone.reply.startswith("brew was interrupted by a restart. It may have been done. Log ")
    assert phone.silent


def test_what_other_work_cannot_note_of_its_own_is_in_the_log(
    house: TestHouse, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender has had an answer by then; nothing else told that it was not begun."""
    notes.fail(monkeypatch, 2)
    with capture_logs() as logs:
        phone.text("!heat")
        assert phone.reply == "Heating."
        house.until(lambda: any(each["event"] == "not-begun" for each in logs))
    (told,) = (each for each in logs if each["event"] == "not-begun")
    assert (told["command"], told["why"]) == ("heat", "database is locked")
    assert phone.silent


HOLD = {
    "grind": ("Grinding.", "held here"),
    "weigh": ("Weighed.", "the rule"),
    "count beans": ("Counted.", "the check"),
}


@pytest.mark.parametrize("typed", HOLD)
def test_what_blocks_the_loop_there_is_named_with_its_line(
    house: TestHouse, phone: Phone, mine: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """In what was spawned, in the rule of a risk, in the check of an argument."""
    said, where = HOLD[typed]
    at_home = inside(house)
    watch = at_home.watch
    house.until(lambda: watch._thread is None or watch._asleep)
    monkeypatch.setattr(watch, "_blocked", 0.1)
    with capture_logs() as logs:
        phone.text(f"!{typed}")
        assert phone.reply == said
        house.until(lambda: not at_home.workshop.tasks)
    lines = MODULE.splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if text.endswith(f"# {where}"))
    (found,) = [each for each in logs if each["event"] == "loop blocked"]
    assert (found["command"], found["at"]) == (typed.split()[0], f"{mine}/pot.py:{line}")


def test_who_is_off_when_it_ends_is_not_told(house: TestHouse, mine: Path) -> None:
    phone = house.phone("cy")
    (mine / "hot").unlink(missing_ok=True)
    phone.text("!brew now")
    assert phone.reply == "Brewing."
    switch(house, "cy", on=False)
    (mine / "hot").touch()
    house.until(lambda: [line[1:] for line in queue(house)] == [("refused", "cy is switched off")])
    assert phone.silent
    switch(house, "cy", on=True)


def test_what_takes_longer_than_a_stop_may_is_told_at_the_next_start(
    house: TestHouse, phone: Phone, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(means, "STOP_SECONDS", 0.01)
    (mine / "hot").unlink(missing_ok=True)
    phone.text("!brew now")
    assert phone.reply == "Brewing."
    house.stop()
    house.start()
    assert phone.reply.startswith("brew was interrupted by a restart. Log ")


def test_what_will_not_be_cancelled_holds_up_no_stop(
    house: TestHouse, phone: Phone, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a reload, which closes a house in the same way."""
    monkeypatch.setattr(means, "STOP_SECONDS", 0.01)
    monkeypatch.setattr(means, "FAREWELL", 0.01)
    monkeypatch.setattr(crew, "LATE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.01)
    (mine / "loose").unlink(missing_ok=True)
    phone.text("!cling")
    assert phone.reply == "Clinging."
    phone.text("!grip")
    at_home = inside(house)
    house.until(lambda: bool(at_home.worker._in_hand))
    try:
        house.stop()
    finally:
        (mine / "loose").touch()
    house.start()
    assert phone.reply.startswith("cling was interrupted by a restart. Log ")
    assert phone.reply.startswith("Cling? Text !yes ")


@pytest.mark.parametrize("year", [1, 1969, 2199, 9999])
def test_what_would_be_due_in_another_age_is_the_fault_of_its_module(
    house: TestHouse, phone: Phone, year: int
) -> None:
    phone.text(f"!someday {year}")
    assert phone.reply.startswith("someday failed. It may have done a part. Log ")
    phone.text("!jobs")
    assert "uptime" not in phone.reply


def test_a_time_behind_all_dates_is_as_wrong_as_one_in_two_years(phone: Phone) -> None:
    phone.text("!never")
    assert phone.reply == "Not that far."


def test_one_pot_is_poured_from_by_one_at_a_time(
    house: TestHouse, phone: Phone, mine: Path
) -> None:
    phones = [phone, house.phone("bo")]
    for phone, cup in zip(phones, "ab", strict=True):
        phone.text(f"!pour {cup}")
    assert [phone.reply for phone in phones] == ["a is full.", "b is full."]
    poured = (mine / "ledger").read_text().split("\n")[:-1]
    assert poured in [
        [f"{c} {w}" for c in cups for w in ("begins", "ends")] for cups in ("ab", "ba")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [("!later uptime", "Job 1."), ("!later", "later failed. It may have done a part. Log ")],
)
def test_what_a_module_schedules_is_a_command(phone: Phone, text: str, said: str) -> None:
    phone.text(text)
    assert phone.reply.startswith(said)


@pytest.mark.parametrize("words", ["brew don't", 'brew 6"', "brew C:\\pot"])
def test_the_words_a_module_schedules_are_parted_as_in_a_text(phone: Phone, words: str) -> None:
    phone.text(f"!later {words}")
    number = phone.reply.removeprefix("Job ").removesuffix(".")
    phone.text(f"!cancel {number}")
    assert phone.reply.endswith(f" {words}.")


def test_a_stop_waits_for_it(house: TestHouse, phone: Phone, mine: Path) -> None:
    phone.text("!brew")
    assert phone.reply == "Brewing."
    with capture_logs() as logs, ThreadPoolExecutor(1) as other:
        stopped = other.submit(house.stop)
        while not (waits := [each for each in logs if each["event"].startswith("waiting-for")]):
            assert not stopped.done()
        (mine / "hot").touch()
        stopped.result()
    assert [each["count"] for each in waits] == [1]
    conn = connect(house.spool / JOURNAL, readonly=True)
    with closing(conn):
        (last,) = conn.execute("SELECT text FROM replies ORDER BY id DESC LIMIT 1").fetchone()
    assert last == "The coffee is ready."
