"""Readings by the house's own clockwork: kept at an interval, a wrong meter told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from housecarl.journal import values
from housecarl.testing.clock import START, FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug

from .home import Home

pytestmark = pytest.mark.long(after=1)

WRONG = "heater reports 28322 W, over its 1875 W limit: the meter is wrong. Try !firmware heater."


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    with SimulatedPlug(alias="heater", watts=43.0) as plug:
        yield plug


@pytest.fixture
def energy() -> dict[str, Any]:
    return {"interval": "15m", "recheck": 0}


@pytest.fixture
def more() -> dict[str, Any]:
    return {}


@pytest.fixture
def home(
    tmp_path: Path, plug: SimulatedPlug, energy: dict[str, Any], more: dict[str, Any]
) -> Iterator[Home]:
    clock = FakeClock()
    heater = {"host": plug.host, "port": plug.port, "max_watts": 1875}
    modules = {"plug": {"plugs": {"heater": heater}}, "energy": energy}
    with TestHouse(tmp_path, modules=modules, clock=clock, **more) as house:
        yield Home(house, clock)


def rest(home: Home, minutes: float) -> None:
    """Let time pass and wait until what was due is done."""

    async def do() -> None:
        home.clock.move(minutes * 60)

    home.house.do(do())
    home.house.until(lambda: home.inside.rounds.asleep)


def restart(home: Home) -> None:
    """Stop the house and start it again."""
    home.house.stop()
    home.house.start()
    home.house.until(lambda: home.inside.rounds.asleep)


def kept(home: Home) -> list[tuple[str, float]]:
    """The readings so far, each with its time."""
    start, end = START.timestamp(), (START + timedelta(days=9)).timestamp()
    rows = home.house.do(
        home.inside.db.read(lambda c: values.readings(c, "energy", "watts.heater", start, end))
    )
    return [(f"{START + timedelta(seconds=at - start):%H:%M}", watts) for at, watts in rows]


def test_readings_are_kept_at_the_interval_also_across_a_restart(
    home: Home, plug: SimulatedPlug
) -> None:
    """They lie on the quarters of the hour: a restart neither shifts nor repeats one."""
    rest(home, 14)
    assert kept(home) == [], "not before its time"
    rest(home, 1)
    rest(home, 5)
    restart(home)
    rest(home, 10)
    assert kept(home) == [("12:15", 43.0), ("12:30", 43.0)]
    assert plug.asked("get_realtime") == 2 and home.phone.silent


def test_a_wrong_meter_is_told_once_and_once_when_it_is_well(
    home: Home, plug: SimulatedPlug
) -> None:
    plug.device.meter.glitch_watts = 28321.7
    rest(home, 15)
    assert home.phone.reply == WRONG
    assert home.parts()["energy.heater"] is False
    rest(home, 15)
    restart(home)
    rest(home, 15)
    plug.device.meter.glitch_watts = 0.0
    for _ in range(9):
        rest(home, 15)
    assert home.phone.silent
    rest(home, 15)
    assert home.phone.reply == "heater: its meter is well again."
    assert home.parts()["energy.heater"] is True


class TestQuietHours:
    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"quiet": {"from": "12:00", "to": "13:00"}}

    def test_a_meter_that_goes_wrong_at_night_is_told_in_the_morning(
        self, home: Home, plug: SimulatedPlug
    ) -> None:
        plug.device.meter.glitch_watts = 28321.7
        rest(home, 45)
        assert home.phone.silent
        assert home.parts()["energy.heater"] is False, "who asks for the status is not kept waiting"
        rest(home, 15)
        assert home.phone.reply == WRONG


class TestWatched:
    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": {"plugs": {"heater": {"every": "1h"}}}}

    def test_a_plug_that_is_watched_is_told_by_its_watch_only(
        self, home: Home, plug: SimulatedPlug
    ) -> None:
        plug.device.meter.glitch_watts = 28321.7
        rest(home, 15)
        rest(home, 15)
        texts = [each.text for each in home.house.inbox.received if "28322" in each.text]
        assert len(texts) <= 1 and WRONG not in texts


class TestOff:
    @pytest.fixture
    def energy(self) -> dict[str, Any]:
        return {}

    def test_without_an_interval_nothing_is_asked(self, home: Home, plug: SimulatedPlug) -> None:
        rest(home, 24 * 60)
        assert kept(home) == [] and plug.served == 0
