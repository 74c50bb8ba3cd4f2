"""A machine that has just booted may not know the time: then no age can be told."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=1)


class UnsetClock(FakeClock):
    """A clock that nobody has set since the boot; `asked` once somebody wants to know that."""

    def __init__(self) -> None:
        super().__init__()
        self.doubt()
        self.asked = threading.Event()

    def synchronised(self) -> bool:
        known = super().synchronised()
        self.asked.set()  # what is set only now is not what was answered
        return known


@pytest.fixture
def clock() -> UnsetClock:
    return UnsetClock()


@pytest.fixture
def house(tmp_path: Path, clock: UnsetClock, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.05,))
    with TestHouse(tmp_path, clock=clock) as house:
        yield house


def test_a_look_is_answered_by_an_unset_clock(phone: Phone) -> None:
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


def test_a_change_waits_until_the_clock_is_set_and_is_done_once(
    house: TestHouse, phone: Phone, clock: UnsetClock
) -> None:
    phone.text("!every day 7:00 uptime")
    assert clock.asked.wait(10)
    clock.asked.clear()
    assert clock.asked.wait(10), "it is tried again"
    assert not list((house.spool / "executed").rglob("*.eml"))
    clock.doubt(doubtful=False)
    assert "7:00" in phone.reply
    assert phone.silent


def test_a_change_that_proves_old_once_the_clock_is_set_is_not_done(
    phone: Phone, clock: UnsetClock
) -> None:
    phone.text("!every day 7:00 uptime")
    assert clock.asked.wait(10)
    clock.move(3600)
    clock.doubt(doubtful=False)
    assert "Not done: sent 12:00, reached me 1 h late." in phone.reply


def test_what_seems_to_come_from_ahead_waits_until_the_clock_is_set(
    house: TestHouse, phone: Phone, clock: UnsetClock
) -> None:
    """A look too: by a clock that is behind nothing proves who sent it."""
    behind = timedelta(minutes=20)
    raw = house.carrier.text(phone.number, "!uptime", clock.now() + behind)
    house.send(raw, mail_from=house.carrier.envelope(house.address))
    assert clock.asked.wait(10)
    clock.move(behind.total_seconds())
    clock.doubt(doubtful=False)
    assert phone.reply.startswith("Elm Street up ")


def test_a_code_waits_too_for_it_may_have_run_out(
    tmp_path: Path, clock: UnsetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.05,))
    clock.doubt(doubtful=False)
    with TestHouse(tmp_path, clock=clock, commands={"uptime": {"risk": "danger"}}) as house:
        phone = house.phone()
        phone.text("!uptime")
        found = re.search(r"!yes (\w+)", phone.reply)
        assert found is not None
        clock.doubt()
        clock.asked.clear()
        phone.text(f"!yes {found[1]}")
        assert clock.asked.wait(10)
        clock.asked.clear()
        assert clock.asked.wait(10), "it is tried again"
        clock.doubt(doubtful=False)
        assert phone.reply.startswith("Elm Street up ")


def test_what_waits_is_tried_at_a_start_however_far_the_clock_was_set_back(
    house: TestHouse, phone: Phone, clock: UnsetClock
) -> None:
    clock.move(180 * 86400)
    phone.text("!every day 7:00 uptime")
    assert clock.asked.wait(10)
    house.stop()
    clock.move(-180 * 86400)
    clock.asked.clear()
    house.start()
    assert clock.asked.wait(10), "it is tried again"
