"""Commands for later and for regularly: kept in the journal, run once, missed ones told."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.stories.talk import inside, pass_

from housecarl.builtin import jobs
from housecarl.clock import UNSET_CLOCK
from housecarl.jobs import NO_ROOM, Clockwork
from housecarl.journal import JOURNAL
from housecarl.journal import jobs as kept
from housecarl.journal.people import pages
from housecarl.septets import joined
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import PATIENCE, TestHouse
from housecarl.testing.phone import Phone
from housecarl.testing.plug import SimulatedPlug

pytestmark = pytest.mark.long(after=10)

ANN = {"phones": ["+13035550123"], "may": ["*"]}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()  # a Monday, 12:00


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock, plug: SimulatedPlug) -> Any:
    lamp = {"host": plug.host, "port": plug.port}
    people = {"ann": ANN, "bo": {"phones": ["+13035550199"], "may": ["uptime"]}}
    with TestHouse(tmp_path, people, {"plug": {"plugs": {"lamp": lamp}}}, clock) as house:
        yield house


def test_a_command_is_done_later_and_told(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    phone.text("!in 20m plug lamp on")
    assert phone.reply == "Job 1: 12:20 plug lamp on."
    pass_(house, clock, 19 * 60)
    assert phone.silent and not plug.relay
    pass_(house, clock, 60)
    assert phone.reply.startswith("lamp on. ")
    phone.text("!jobs")
    assert phone.reply == "No jobs."


def test_a_regular_command_comes_again_and_can_be_cancelled(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    phone.text("!every day 13:00 uptime")
    assert phone.reply == "Job 1: every day 13:00 uptime."
    for _ in range(3):
        pass_(house, clock, 24 * 3600)
        assert phone.reply.startswith("Elm Street up ")
    phone.text("!jobs")
    assert phone.reply == "Jobs: 1: every day 13:00 uptime."
    phone.text("!cancel 1")
    assert phone.reply == "Job 1 cancelled: every day 13:00 uptime."
    pass_(house, clock, 24 * 3600)
    house.settle()
    assert phone.silent


def test_a_job_that_is_cancelled_while_others_of_its_minute_are_handed_in_is_not_done(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    for name in ("uptime", "ping", "weather"):
        phone.text(f"!at 12:30 help {name}")
        phone.wait()
    house.settle()
    spool, on = inside(house).spool, threading.Event()
    spool._disk.submit(on.wait, PATIENCE)
    try:
        pass_(house, clock, 1800)
        house.until(lambda: spool._flushing)
        house.do(inside(house).db.write(lambda conn: kept.close(conn, 2, "cancelled")))
    finally:
        on.set()
    told = {phone.reply.split()[0], phone.reply.split()[0]}
    house.settle()
    assert told == {"uptime", "weather"}
    assert phone.silent


def test_a_job_waits_for_room_on_a_full_disk_and_the_house_goes_on(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    phone.text("!in 5m uptime")
    phone.wait()
    before = inside(house)
    reserve, before.spool.reserve = before.spool.reserve, 2**62
    for wait in (300.0, NO_ROOM.total_seconds()):
        pass_(house, clock, wait)
        house.until(lambda: clock.next == clock.now() + NO_ROOM)
    before.spool.reserve = reserve
    pass_(house, clock, NO_ROOM.total_seconds())
    assert phone.reply.startswith("Elm Street up ")
    assert inside(house) is before


def test_nothing_is_done_by_a_clock_that_nobody_has_set_since_the_boot(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    """It was an hour ahead; the job keeps its time."""
    phone.text("!at 13:00 plug lamp on")
    phone.wait()
    house.stop()
    clock.move(3600 + 300)
    clock.doubt()
    house.start()
    house.until(lambda: clock.next == clock.now() + UNSET_CLOCK)
    pass_(house, clock, -3600)
    clock.doubt(doubtful=False)
    phone.text("!jobs")
    assert phone.reply == "Jobs: 1: 13:00 plug lamp on."
    assert not plug.relay
    pass_(house, clock, 55 * 60)
    assert phone.reply.startswith("lamp on. ")


def test_what_is_due_is_done_within_a_minute_after_the_clock_is_set(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    phone.text("!in 5m uptime")
    phone.wait()
    clock.doubt()
    for wait in (timedelta(minutes=5), UNSET_CLOCK):
        pass_(house, clock, wait.total_seconds())
        house.until(lambda: clock.next == clock.now() + UNSET_CLOCK)
    assert phone.silent
    clock.doubt(doubtful=False)
    pass_(house, clock, UNSET_CLOCK.total_seconds())
    assert phone.reply.startswith("Elm Street up ")


def test_a_regular_job_goes_on_after_the_clock_was_a_year_ahead(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    for regular in ("day 13:00", "30m"):
        phone.text(f"!every {regular} help uptime")
        phone.wait()
    pass_(house, clock, 365 * 86400)
    for _ in range(2):
        assert phone.reply.startswith("uptime - ")
    half = timedelta(minutes=30)
    house.until(lambda: clock.next == clock.now() + half)
    pass_(house, clock, -365 * 86400)
    house.until(lambda: clock.next == clock.now() + half)
    for wait in (30 * 60, 30 * 60, 0):  # 12:30, and both at 13:00
        pass_(house, clock, wait)
        assert phone.reply.startswith("uptime - ")
    phone.text("!jobs")
    assert phone.reply == "Jobs: 2: every 30m help uptime; 1: every day 13:00 help uptime."


def test_a_regular_job_comes_by_the_new_clocks_once_the_time_zone_is_changed(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    """Once a day: it came at 13:00 of the former zone, and at 13:00 of the new one again."""
    phone.text("!every day 13:00 uptime")
    phone.wait()
    house.stop()
    house._more["timezone"] = "America/Denver"
    house.start()
    pass_(house, clock, 3600)
    house.until(lambda: clock.next == clock.now() + timedelta(hours=7))
    house.settle()
    assert not [line for line in house.log() if "ann uptime:" in line]
    pass_(house, clock, 7 * 3600)
    assert phone.reply.startswith("Elm Street up ")
    house.until(lambda: clock.next == clock.now() + timedelta(days=1))


def test_the_clockwork_sleeps_until_something_is_due(
    phone: Phone, house: TestHouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[object]()
    work = Clockwork._work

    async def looked(self: Clockwork) -> object:
        looks.append(self)
        return await work(self)

    async def turns() -> None:
        for _ in range(1000):
            await asyncio.sleep(0)

    monkeypatch.setattr(Clockwork, "_work", looked)
    phone.text("!in 20m help uptime")
    phone.wait()
    house.until(lambda: clock.next == clock.now() + timedelta(minutes=20))
    house.do(turns())
    assert len(looks) == 1, "for the job that was added, and not again"


def test_jobs_outlive_a_restart(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    phone.text("!at 12:30 plug lamp on")
    phone.wait()
    house.stop()
    house.start()
    pass_(house, clock, 1800)
    assert phone.reply.startswith("lamp on. ")


@pytest.mark.parametrize(
    "row",
    [
        "every = 'every day 7:00'",
        "text = '5'",
        "text = 'uptime'",
        "due = 1e12, every = NULL",
        "due = -1e12",
    ],
)
def test_a_job_that_cannot_be_read_does_not_keep_the_house_from_living(
    phone: Phone, house: TestHouse, clock: FakeClock, row: str
) -> None:
    """It is ended, and the one after it is done."""
    for text in ("!every day 12:30 uptime", "!in 31m uptime"):
        phone.text(text)
        phone.wait()
    house.stop()
    with closing(sqlite3.connect(house.spool / JOURNAL)) as conn, conn:
        conn.execute(f"UPDATE jobs SET {row} WHERE every IS NOT NULL")
    house.start()
    pass_(house, clock, 32 * 60)
    assert phone.reply.startswith("Elm Street up ")
    phone.text("!jobs")
    assert phone.reply == "No jobs."


def test_the_jobs_of_a_person_who_is_gone_end_and_are_no_strangers(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    bo = house.phone("bo")
    for text in ("!every day 13:00 uptime", "!in 30m uptime"):
        bo.text(text)
        bo.wait()
    phone.text("!every day 13:05 uptime")
    phone.wait()
    house.stop()
    house.people = {"ann": ANN}
    house.start()
    with capture_logs() as logs:
        for _ in range(3):
            pass_(house, clock, 24 * 3600)
            assert phone.reply.startswith("Elm Street up ")
    house.settle()
    ended = [(each["number"], each["person"]) for each in logs if each["event"] == "job-of-nobody"]
    assert ended == [(2, "bo"), (1, "bo")]
    assert not [line for line in house.log() if "stranger" in line]
    assert [job.person for job in house.do(inside(house).db.read(kept.waiting))] == ["ann"]


def test_a_change_missed_while_the_house_was_down_is_told_and_not_done(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    phone.text("!at 12:30 plug lamp on")
    phone.wait()
    house.stop()
    clock.move(3 * 3600)
    house.start()
    assert phone.reply == (
        "Job 1: plug missed, it was due 23 Nov 12:30. Text it again if you still want it."
    )
    assert not plug.relay


def test_a_look_missed_while_the_house_was_down_is_run_once(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    phone.text("!every day 13:00 uptime")
    phone.wait()
    house.stop()
    clock.move(5 * 24 * 3600)
    house.start()
    assert phone.reply.startswith("Elm Street up ")
    house.settle()
    assert phone.silent


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """The phone of a house for all that leaves nothing behind in it."""
    lamp = {"plug": {"plugs": {"lamp": "127.0.0.1:9"}}}
    with TestHouse(tmp_path_factory.mktemp("house"), {"ann": ANN}, lamp, FakeClock()) as house:
        yield house.phone()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("!in soon plug lamp on", "soon is no time span. Write 20m, 2h or 3d."),
        ("!at noon plug lamp on", "noon is no time. Write 7:00 or 22:30."),
        ("!every 1m uptime", "Every 5 minutes is the most often."),
        ("!every Day uptime", "uptime is no time. Write 7:00 or 22:30."),
        (
            "!every morning uptime",
            "morning is no time span. Write day 7:00, monday 7:00 or 2h.",
        ),
        ("!every", "every: TIME is missing. Use: every TIME [WORDS ...]"),
        ("!in 20m", "Do what? Write !in, the time, and a command."),
        ("!in 20m plgu lamp on", "No command plgu. Did you mean plug? !help lists them."),
        ("!in 20m help a b", "help: b is too much."),
        ("!in 5m Yes 1234", "Yes needs a code, so it cannot be done later."),
        ("!cancel 9", "You have no job 9. !jobs lists them."),
        (f"!cancel {2**63}", f"You have no job {2**63}. !jobs lists them."),
        (f"!cancel {-(2**64)}", f"You have no job {-(2**64)}. !jobs lists them."),
    ],
)
def test_what_cannot_be_done_later_is_said_at_once(refused: Phone, text: str, told: str) -> None:
    refused.text(text)
    assert refused.reply.startswith(told)


def test_one_person_has_so_many_jobs_at_most_and_the_day_of_each_is_told(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST", 2)
    phone.text("!in 2d uptime")
    assert phone.reply == "Job 1: Wed 12:00 uptime."
    phone.text("!in 8d uptime")
    assert phone.reply == "Job 2: 01 Dec 12:00 uptime."
    phone.text("!in 3d uptime")
    assert phone.reply == "You have 2 jobs already. Cancel one: !jobs lists them."
    phone.text("!cancel 1")
    assert phone.reply == "Job 1 cancelled: Wed 12:00 uptime."
    phone.text("!in 4d uptime")
    assert phone.reply == "Job 3: Fri 12:00 uptime."


def test_a_day_of_next_year_is_told_with_its_year(phone: Phone) -> None:
    phone.text("!in 320d uptime")
    assert phone.reply == "Job 1: 09 Oct 12:00 uptime."
    phone.text("!in 365d uptime")
    assert phone.reply == "Job 2: 23 Nov 2027 12:00 uptime."


def test_a_list_of_long_jobs_is_told_shortened(phone: Phone, house: TestHouse) -> None:
    words = ("help", *["word"] * 4_000)

    def fill(conn: sqlite3.Connection) -> None:
        due = house.clock.now().timestamp() + 60
        for number in range(57):
            kept.add(conn, "ann", json.dumps(words), due + 3600 * number, None, "", 0.0)

    house.do(inside(house).db.write(fill))
    phone.text("!jobs")
    assert phone.reply.startswith("Jobs, 50 of 57: 1: 12:01 help word word ")
    rest = house.do(inside(house).db.read(lambda conn: pages(conn, "ann")))
    assert "50: Wed 13:01 help word word " in joined(rest), "by !more all of them are told"
    phone.text("!cancel 2")
    assert phone.reply.startswith("Job 2 cancelled: 13:01 help word word ")
    rest = house.do(inside(house).db.read(lambda conn: pages(conn, "ann")))
    assert joined(rest).count("word ") > 700, "one alone is not cut as each of fifty is"


def test_what_is_due_after_the_last_day_of_somebody_s_rights_is_refused_at_once(
    house: TestHouse, clock: FakeClock
) -> None:
    """It was promised, and then nobody did or said anything."""
    house.stop()
    house.people["bo"] = {**house.people["bo"], "until": "2026-11-23"}
    house.start()
    bo = house.phone("bo")
    bo.text("!at 23:59 uptime")
    assert bo.reply == "Job 1: 23:59 uptime."
    for text in ("!at 0:00 uptime", "!every tuesday 7:00 uptime"):
        bo.text(text)
        assert bo.reply == "Your rights end before that. Nothing was done."


def test_a_job_that_cannot_be_done_any_more_says_which_it_is(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    """Nobody had texted anything when "No command night" came, each evening anew."""
    house.stop()
    house._more["aliases"] = {"night": ["plug lamp off"]}
    house.start()
    phone.text("!every day 13:00 night")
    assert phone.reply == "Job 1: every day 13:00 night."
    house.stop()
    house._more["aliases"] = {}
    house.start()
    pass_(house, clock, 3600)
    assert phone.reply == "Job 1: No command night. !help lists them."
    phone.text("!cancel 1")
    assert phone.reply == "Job 1 cancelled: every day 13:00 night."


def test_nobody_gets_a_right_by_asking_for_later(house: TestHouse) -> None:
    bo = house.phone("bo")
    bo.text("!in 20m plug lamp on")
    assert bo.reply == "No command plug. !help lists them."


def test_a_plug_that_is_on_for_minutes_goes_off_again_also_after_a_restart(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    phone.text("!plug lamp on 30")
    assert phone.reply.startswith("lamp on")
    assert plug.relay
    house.stop()
    house.start()
    pass_(house, clock, 30 * 60)
    assert phone.reply.startswith("lamp off")
    assert not plug.relay


@pytest.mark.parametrize("addresses", [["ann@example.org"], []])
def test_a_number_that_is_no_longer_theirs_hears_nothing_of_a_person(
    phone: Phone, house: TestHouse, clock: FakeClock, addresses: list[str]
) -> None:
    """Their job is answered by another way, or, where there is none, in the log only."""
    phone.text("!in 30m uptime")
    assert phone.reply == "Job 1: 12:30 uptime."
    house.stop()
    house.people = {
        "ann": {**ANN, "phones": ["+13035550777"], "addresses": addresses},
        "cy": {"phones": ANN["phones"], "may": ["uptime"]},
    }
    house.start()
    pass_(house, clock, 1800)
    house.until(lambda: len([*(house.spool / "executed").rglob("*.eml")]) == 2)
    for address in addresses:
        assert house.inbox.wait(1, to=address)[0].text.startswith("Elm Street up ")
    phone.text("!help uptime")
    assert phone.reply.startswith("uptime - "), "and this is the first that came"
