"""What `!status` says, and of the parts that texts of a month had: what a carrier counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.stories.talk import inside

from housecarl.journal import replies
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import PATIENCE, TestHouse
from housecarl.testing.phone import Phone

PEOPLE = {
    "ann": {"phones": ["+13035550123"], "may": ["*"], "owner": True},
    "bo": {"phones": ["+13035550199"], "may": ["uptime"]},
    "cy": {"phones": ["+13035550188"], "may": ["uptime"]},
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 30, 12, 0, tzinfo=UTC))


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Iterator[TestHouse]:
    with TestHouse(tmp_path, PEOPLE, clock=clock, timezone="America/Denver") as house:
        yield house


def ask(house: TestHouse, phone: Phone) -> str:
    """What status says, asked once all that was sent is noted."""
    end = time.monotonic() + PATIENCE
    while house.do(inside(house).db.read(replies.count_waiting))[0]:
        assert time.monotonic() < end
        time.sleep(0.005)  # the processor is theirs who are waited for
    phone.text("!status")
    return phone.reply.removeprefix("Elm Street ")


def test_an_owner_sees_everybodys_parts_and_others_their_own(house: TestHouse) -> None:
    ann, bo, cy = (house.phone(name) for name in PEOPLE)
    assert ask(house, ann) == "is well. 0 messages carried out in 24 h."
    assert ask(house, cy) == "is well. 1 message carried out in 24 h."
    bo.text("!uptime")
    bo.wait()
    month = "messages carried out in 24 h. Text parts this month:"
    assert ask(house, bo) == f"is well. 3 {month} bo 1."
    house.do(inside(house).tell("imap", False, "no answer"))
    trouble = "has trouble. imap: no answer (for 0 s)."
    assert ask(house, ann) == f"{trouble} 4 {month} ann 1, bo 2, cy 1."


def test_a_month_begins_by_the_houses_clocks(house: TestHouse, clock: FakeClock) -> None:
    ann = house.phone("ann")
    assert ask(house, ann).endswith("in 24 h.")
    clock.set(datetime(2026, 12, 1, 6, 0, tzinfo=UTC))  # 23:00 in Denver
    assert ask(house, ann).endswith(". Text parts this month: ann 1.")
    clock.set(datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    assert ask(house, ann).endswith("in 24 h.")
