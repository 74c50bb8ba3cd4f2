"""A machine that has just booted may not know the time: then no age can be told."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from housecarl.journal import JOURNAL, connect, receipts
from housecarl.judge import Case, Judge
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=1)


@pytest.fixture
def clock() -> FakeClock:
    """One that nobody has set since the boot."""
    clock = FakeClock()
    clock.doubt()
    return clock


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.05,))
    with TestHouse(tmp_path, clock=clock) as house:
        yield house


def tries(house: TestHouse) -> int:
    """How often the message that waits was tried."""
    with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
        return sum(each.tries for each in receipts.find_open(conn))


def tried(house: TestHouse, times: int) -> None:
    """Wait until the message that waits was tried so often."""
    house.until(lambda: tries(house) >= times)


def test_a_look_is_answered_by_an_unset_clock(phone: Phone) -> None:
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


def test_a_change_waits_until_the_clock_is_set_and_is_done_once(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!every day 7:00 uptime")
    tried(house, 2)
    assert not list((house.spool / "executed").rglob("*.eml"))
    clock.doubt(doubtful=False)
    assert "7:00" in phone.reply
    assert phone.silent


def test_a_change_that_proves_old_once_the_clock_is_set_is_not_done(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!every day 7:00 uptime")
    tried(house, 1)
    clock.move(3600)
    clock.doubt(doubtful=False)
    assert "Not done: sent 12:00, reached me 1 h late." in phone.reply


def test_a_clock_that_is_set_while_a_text_is_verified_makes_nobody_a_stranger(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """By the one that was behind the signature was of a time to come: it waits, a look too."""
    behind, judge = timedelta(minutes=20), Judge.judge

    async def judge_while_it_is_set(*given: Any) -> Case:
        case = await judge(*given)
        if not clock.synchronised():
            clock.move(behind)
            clock.doubt(doubtful=False)
        return case

    raw = house.carrier.text(phone.number, "!uptime", clock.now() + behind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "judge", judge_while_it_is_set)
        house.send(raw, mail_from=house.carrier.envelope(house.address))
        assert phone.reply.startswith("Elm Street up ")


def test_a_code_waits_too_for_it_may_have_run_out(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.05,))
    clock.doubt(doubtful=False)
    with TestHouse(tmp_path, clock=clock, commands={"uptime": {"risk": "danger"}}) as house:
        phone = house.phone()
        phone.text("!uptime")
        found = re.search(r"!yes (\w+)", phone.reply)
        assert found is not None
        clock.doubt()
        phone.text(f"!yes {found[1]}")
        tried(house, 2)
        clock.doubt(doubtful=False)
        assert phone.reply.startswith("Elm Street up ")


def test_what_waits_is_tried_at_a_start_however_far_the_clock_was_set_back(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    clock.move(180 * 86400)
    phone.text("!every day 7:00 uptime")
    tried(house, 1)
    house.stop()
    before = tries(house)
    clock.move(-180 * 86400)
    house.start()
    tried(house, before + 1)
