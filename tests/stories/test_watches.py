"""The house speaks first: what goes wrong is told once, late enough to be true, and its end too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.stories.home import Home

from housecarl.module import Reply
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse, free_port

pytestmark = pytest.mark.long(after=4)


@pytest.fixture
def more() -> dict[str, Any]:
    """What stands in the configuration besides."""
    return {"watches": {"mailbox": {"after": "15m"}}}


@pytest.fixture
def home(tmp_path: Path, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A house whose mail host is away from the start."""
    monkeypatch.setenv("HOUSECARL_IMAP", "secret")
    imap = {"host": "127.0.0.1", "port": free_port(), "tls": "none", "user": "house"}
    imap |= {"password": {"env": "HOUSECARL_IMAP"}}
    clock = FakeClock()  # a Monday, 12:00
    with TestHouse(tmp_path, clock=clock, doors={"imap": imap}, **more) as house:
        home = Home(house, clock)
        home.wait_for("door.imap", ok=False)
        yield home


def test_a_lost_mailbox_is_told_once_and_once_that_it_is_well_again(home: Home) -> None:
    home.pass_(14)
    assert home.phone.silent
    home.pass_(2)
    told = home.phone.reply
    assert told.startswith("mailbox: 127.0.0.1: ") and told.endswith(", since 12:00.")
    home.tell("door.imap", False, "imap.example: connection refused")
    home.pass_(60)
    assert home.phone.silent
    home.tell("door.imap", True, "imap.example")
    home.pass_(14)
    assert home.phone.silent
    home.pass_(2)
    assert home.phone.reply == "mailbox is well again since 13:16, after 1 h 16 min."
    home.pass_(24 * 60)
    assert home.phone.silent


def test_a_house_that_watches_nothing_has_no_watchman(tmp_path: Path) -> None:
    async def tasks() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks()}

    with TestHouse(tmp_path) as house:
        assert "clockwork" in house.do(tasks()) and "watchman" not in house.do(tasks())


def test_who_is_switched_off_is_told_nothing(home: Home) -> None:
    home.inside.off["ann"] = 0.0
    home.pass_(16)
    home.house.settle()
    assert home.phone.silent


@pytest.mark.parametrize("owner", [True, False])
def test_whose_rights_have_ended_is_told_nothing(tmp_path: Path, owner: bool) -> None:
    """Somebody looked after the house in November; what happens in December is for the others."""
    sitter = {"phones": ["+13035550199"], "may": ["*"], "owner": owner, "until": "2026-11-30"}
    ann = {"phones": ["+13035550123"], "may": ["*"]}
    clock, people = FakeClock(), {"bo": sitter, "ann": ann}
    with TestHouse(tmp_path, people, clock=clock) as house:
        home, bo = Home(house, clock), house.phone("bo")
        bo.text("!uptime")
        bo.wait()
        house.do(home.inside.alerts.send(Reply("nas: no answer.")))
        assert bo.reply == "nas: no answer."
        clock.set(datetime(2026, 12, 1, tzinfo=UTC))
        house.do(home.inside.alerts.send(Reply("heater: no answer.")))
        assert home.phone.reply == "heater: no answer."
        assert bo.silent


def test_what_comes_and_goes_is_no_news(home: Home) -> None:
    for _ in range(6):
        home.pass_(10)
        home.tell("door.imap", True, "imap.example")
        home.pass_(10)
        home.tell("door.imap", False, "imap.example: cut")
    assert home.phone.silent


def test_a_part_that_is_well_for_a_moment_is_not_well_again(home: Home) -> None:
    home.pass_(16)
    assert home.phone.reply.startswith("mailbox: ")
    for _ in range(3):
        home.tell("door.imap", True, "imap.example")
        home.pass_(5)
        home.tell("door.imap", False, "imap.example: cut")
        home.pass_(5)
    assert home.phone.silent


def test_what_was_told_is_not_told_again_after_a_restart(home: Home) -> None:
    home.pass_(16)
    home.phone.wait()
    for _ in range(2):
        home.restart()
    home.pass_(60)
    assert home.phone.silent


def test_it_is_told_in_its_time_though_nobody_looks_again(home: Home) -> None:
    """At the last moment it was looked at, it was a second too early."""
    home.pass_(15 - 1 / 60)
    assert home.phone.silent
    home.pass_(1)
    assert home.phone.reply.startswith("mailbox: ")


class TestPost:
    """The post cannot tell that it carries nothing."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": {"post": {"after": "15m"}}}

    def test_a_smarthost_that_was_away_is_told_when_it_is_back(self, home: Home) -> None:
        home.tell("post", False, "smtp.example: connection refused")
        home.pass_(50)
        assert home.phone.silent
        home.tell("post", True, "smtp.example takes mail")
        home.pass_(16)
        assert home.phone.reply == (
            "post: smtp.example: connection refused, from 12:00 to 12:50. It is well again."
        )


class TestConfirmation:
    """Gmail asks to confirm that an account forwards here."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": {"confirmation": {}}, "quiet": {}}

    def test_each_one_is_told_once_and_not_at_night(self, home: Home) -> None:
        home.tell("confirmation", True, "Gmail asks to confirm a@example.org: code 1")
        assert home.phone.reply == "Gmail asks to confirm a@example.org: code 1"
        home.tell("confirmation", True, "Gmail asks to confirm a@example.org: code 1")
        home.restart()
        home.set(23)
        home.tell("confirmation", True, "Gmail asks to confirm b@example.org: code 2")
        home.set(6, 59, day=24)
        assert home.phone.silent
        home.set(7, day=24)
        assert home.phone.reply == "Gmail asks to confirm b@example.org: code 2"


class TestStrangers:
    """Messages of strangers are told once a day, with counts."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": {"strangers": {"at": "18:00"}}}

    def test_strangers_are_counted_once_a_day(self, home: Home) -> None:
        head = "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        for number, sender in enumerate(("mallory@example.net",) * 2 + ("eve@example.net",)):
            mail = f"From: {sender}\r\n{head}Message-ID: <{number}@example.net>\r\n\r\n!uptime\r\n"
            home.house.send(mail.encode())
        home.house.settle()
        home.pass_(5 * 60)
        home.restart()
        assert home.phone.silent
        home.pass_(60)
        assert home.phone.reply == (
            "3 messages of strangers in a day: mallory@example.net 2, eve@example.net 1."
        )
        home.restart()
        for _ in range(2):
            home.pass_(24 * 60)
            assert home.phone.silent, "each counts on one day"


class TestStrangersAtNight:
    """A time within the quiet hours is no reason to forget anybody, nor is a restart."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": {"strangers": {"at": "23:00"}}, "quiet": {}}

    def test_they_are_told_in_the_morning(self, home: Home) -> None:
        mail = (
            "From: mallory@example.net\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\nSubject: x\r\n"
        )
        home.house.send(f"{mail}MIME-Version: 1.0\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n".encode())
        home.house.settle()
        home.set(23)
        home.set(3, day=24)
        home.restart()
        assert home.phone.silent
        home.set(7, day=24)
        assert home.phone.reply == "1 message of strangers in a day: mallory@example.net 1."


class TestQuietHours:
    """From 22:00 to 7:00 nothing is told that can wait."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {
            "watches": {"mailbox": {"after": "15m"}},
            "quiet": {"from": "22:00", "to": "7:00"},
        }

    def test_trouble_of_the_night_is_told_in_the_morning(self, home: Home) -> None:
        home.tell("door.imap", True, "imap.example")
        home.set(23)
        home.tell("door.imap", False, "imap.example: cut")
        home.pass_(60)
        home.set(6, 59, day=24)
        assert home.phone.silent
        home.set(7, day=24)
        assert home.phone.reply == "mailbox: imap.example: cut, since 23 Nov 23:00."

    def test_what_was_over_before_the_morning_is_told_too(self, home: Home) -> None:
        home.tell("door.imap", True, "imap.example")
        home.set(23)
        home.tell("door.imap", False, "imap.example: cut")
        home.pass_(60)
        home.tell("door.imap", True, "imap.example")
        home.pass_(60)
        assert home.phone.silent
        home.set(7, day=24)
        assert home.phone.reply == (
            "mailbox: imap.example: cut, from 23 Nov 23:00 to 00:00. It is well again."
        )
        home.pass_(60)
        assert home.phone.silent


class TestUrgent:
    """What is urgent is told at night."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": {"mailbox": {"after": "15m", "urgent": True}}, "quiet": {}}

    def test_urgent_trouble_is_told_in_quiet_hours(self, home: Home) -> None:
        home.tell("door.imap", True, "imap.example")
        home.set(23)
        home.tell("door.imap", False, "imap.example: cut")
        home.pass_(16)
        assert home.phone.reply == "mailbox: imap.example: cut, since 23:00."
