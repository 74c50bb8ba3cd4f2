"""Too much of one person is answered once, politely, and then with silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import module_folder

from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=5)

#: Seconds by which a clock is ahead until somebody sets it.
YEAR = 365 * 86400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Any:
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["*"]},
    }
    with TestHouse(tmp_path, people, clock=clock, limits={"calls_per_hour": 3}) as house:
        yield house


def test_beyond_the_hours_bound_there_is_one_notice_and_then_silence(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    for _ in range(3):
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")
    phone.text("!uptime")
    assert phone.reply == (
        "3 commands in an hour are the most. Nothing was done. I listen again at 13:00."
    )
    phone.text("!uptime")
    house.settle()
    assert phone.silent
    bo = house.phone("bo")
    bo.text("!uptime")
    assert bo.reply.startswith("Elm Street up ")
    clock.move(3601)
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


def again_and_again(house: TestHouse, phone: Phone, text: str, times: int) -> None:
    """One and the same mail, so many times."""
    raw = house.carrier.text(phone.number, text, house.clock.now())
    for _ in range(times):
        house.send(raw, mail_from=house.carrier.envelope(house.address))
        house.settle()
    phone.wait()


def test_a_message_that_comes_again_counts_for_nothing(house: TestHouse, phone: Phone) -> None:
    """Else whoever keeps a mail could silence its sender with it."""
    again_and_again(house, phone, "!uptime", 9)
    again_and_again(house, phone, "!whatever", 9)
    for _ in range(2):
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")
    again_and_again(house, phone, "!uptime", 3)
    house.settle()
    assert phone.silent


def test_repeated_nonsense_pauses_that_person(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    for _ in range(4):
        phone.text("!whatever")
        assert phone.reply.startswith("No command whatever.")
    phone.text("!whatever")
    assert phone.reply.startswith("5 texts I do not understand.")
    phone.text("!uptime")
    house.settle()
    assert phone.silent
    clock.move(601)
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


def test_a_message_that_does_not_fit_into_the_hour_silences_nobody(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """It is told what would fit, and what fits is done at once."""
    four, two = "\n".join(["!uptime"] * 4), "!uptime\n!uptime"
    phone.text(four)
    assert phone.reply == (
        "3 commands in an hour are the most: 3 are left, these were 4. Nothing was done."
    )
    phone.text(two)
    assert phone.reply.startswith("Elm Street up ")
    phone.text(two)
    assert phone.reply == (
        "3 commands in an hour are the most: 1 is left, these were 2. Nothing was done."
    )
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")
    clock.move(3601)
    for _ in range(4):
        phone.text(four)
        assert "these were 4" in phone.reply
    phone.text(four)
    assert phone.reply == (
        "3 commands in an hour are the most. Nothing was done. I listen again at 13:11."
    )
    phone.text("!uptime")
    house.settle()
    assert phone.silent
    clock.move(601)
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


@pytest.mark.parametrize("text", ["!", "!uptime\ufffd"])
def test_lines_that_cannot_be_read_are_nonsense_too(
    house: TestHouse, phone: Phone, text: str
) -> None:
    for _ in range(4):
        phone.text(text)
        assert phone.reply.endswith("Nothing was done.")
    phone.text(text)
    assert phone.reply.startswith("5 texts I do not understand.")
    for again in (text, "!uptime"):
        phone.text(again)
        house.settle()
        assert phone.silent


def test_the_minute_that_a_notice_names_is_one_in_which_the_house_listens(
    phone: Phone, clock: FakeClock
) -> None:
    clock.move(45)
    for _ in range(3):
        phone.text("!uptime")
        phone.wait()
    phone.text("!uptime")
    assert phone.reply.endswith("I listen again at 13:01.")
    clock.move(3600 + 15)
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


@pytest.mark.parametrize(("text", "times"), [("!uptime", 4), ("!whatever", 5)])
def test_who_is_silenced_by_a_clock_that_is_ahead_is_heard_once_it_is_set_back(
    phone: Phone, clock: FakeClock, text: str, times: int
) -> None:
    clock.move(YEAR)
    for _ in range(times - 1):
        phone.text(text)
        phone.wait()
    phone.text(text)
    assert "I listen again at" in phone.reply
    clock.move(-YEAR)
    for _ in range(3):
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")
    phone.text("!uptime")
    assert phone.reply.endswith("I listen again at 13:00.")


def test_a_code_that_was_sent_can_be_answered_though_it_was_the_last_of_the_hour(
    tmp_path: Path, clock: FakeClock
) -> None:
    """It was counted when it was asked for; a wrong one is no way around the bound."""
    limits, modules = {"calls_per_hour": 2}, module_folder(tmp_path)
    with TestHouse(tmp_path, modules=modules, clock=clock, limits=limits) as house:
        phone = house.phone()
        phone.text("!uptime")
        phone.wait()
        phone.text("!blow shed")
        code = phone.reply.partition("!yes ")[2][:4]
        phone.text(f"!yes {code}")
        assert phone.reply == "shed is gone."
        phone.text("!uptime")
        assert phone.reply.endswith("I listen again at 13:00.")


class TestTexts:
    """Texts beyond the budget wait, and go as one."""

    @pytest.fixture
    def house(self, tmp_path: Path, clock: FakeClock) -> Any:
        with TestHouse(tmp_path, clock=clock, limits={"texts_per_hour": 2}) as house:
            yield house

    def test_what_waits_is_merged_into_one_text(
        self, house: TestHouse, phone: Phone, clock: FakeClock
    ) -> None:
        for _ in range(2):
            phone.text("!uptime")
            phone.wait()
        phone.text("!nothing")
        phone.text("!help uptime")
        house.settle()
        assert phone.silent

        async def an_hour_later() -> None:
            clock.move(3601)

        house.do(an_hour_later())
        assert phone.reply == (
            "No command nothing. !help lists them. "
            "uptime - Say how long the house has been up: uptime."
        )
        house.settle()
        assert phone.silent


class TestOneCommand:
    """A command with a bound of its own."""

    @pytest.fixture
    def house(self, tmp_path: Path, clock: FakeClock) -> Any:
        rules = {"uptime": {"per_hour": 2}}
        with TestHouse(tmp_path, clock=clock, commands=rules) as house:
            yield house

    def test_beyond_it_there_is_one_notice_and_other_commands_go_on(
        self, house: TestHouse, phone: Phone, clock: FakeClock
    ) -> None:
        for _ in range(2):
            phone.text("!uptime")
            assert phone.reply.startswith("Elm Street up ")
            clock.move(600)
        notice = "uptime: 2 in an hour are the most. Nothing was done. Again at 13:00."
        phone.text("!uptime")
        assert phone.reply == notice
        phone.text("!uptime")
        house.settle()
        assert phone.silent
        phone.text("!disk")
        assert "%" in phone.reply
        phone.text("!disk\n!uptime")
        assert phone.reply == notice
        clock.move(2401)
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")
        phone.text("!uptime")
        assert phone.reply == notice.replace("13:00", "13:10")

    def test_what_a_clock_counts_that_is_ahead_is_forgotten_once_it_is_set_back(
        self, phone: Phone, clock: FakeClock
    ) -> None:
        clock.move(YEAR)
        for ahead in (YEAR, 0.0):
            for _ in range(2):
                phone.text("!uptime")
                assert phone.reply.startswith("Elm Street up ")
            clock.move(-ahead)

    def test_one_message_cannot_hold_more_than_the_bound(
        self, house: TestHouse, phone: Phone
    ) -> None:
        phone.text("!uptime\n!uptime\n!uptime")
        assert phone.reply == "uptime: 2 in an hour are the most. Nothing was done. These were 3."
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")

    def test_the_time_that_is_told_is_one_at_which_all_of_it_fits(
        self, house: TestHouse, phone: Phone, clock: FakeClock
    ) -> None:
        for _ in range(2):
            phone.text("!uptime")
            assert phone.reply.startswith("Elm Street up ")
            clock.move(600)
        phone.text("!uptime\n!uptime")
        assert phone.reply.endswith("Nothing was done. Again at 13:10.")
        clock.move(3000)
        phone.text("!uptime\n!uptime")
        assert phone.reply.startswith("Elm Street up ")

    def test_each_command_of_a_message_counts(self, house: TestHouse, phone: Phone) -> None:
        phone.text("!uptime\n!uptime")
        assert phone.reply.startswith("Elm Street up ")
        phone.text("!uptime")
        assert phone.reply.startswith("uptime: 2 in an hour are the most. Nothing was done.")


class TestLines:
    """A message with more command lines than the house wants."""

    @pytest.fixture
    def house(self, tmp_path: Path, clock: FakeClock) -> Any:
        with TestHouse(tmp_path, clock=clock, limits={"lines": 2}) as house:
            yield house

    def test_nothing_of_it_is_done(self, house: TestHouse, phone: Phone) -> None:
        phone.text("!uptime\n!disk\n!uptime")
        assert phone.reply == "At most 2 commands in one message. Nothing was done."
        phone.text("!uptime\n!uptime")
        assert phone.reply.startswith("Elm Street up ")
