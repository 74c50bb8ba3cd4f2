"""A counter that fell is told to the owners once, whoever notices it, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug

from .home import Home

pytestmark = pytest.mark.long(after=1)

FELL = "heater: its counter fell by 55.14 kWh. It counts from there on."
INTERVAL = {"interval": "15m", "recheck": 0}
WATCH = {"plugs": {"heater": {"every": "1h"}}}
#: the hours of the day in which nothing is told, from the second reading on
QUIET = {"from": "12:20", "to": "15:00"}


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    with SimulatedPlug(alias="heater") as plug:
        yield plug


@pytest.fixture
def energy() -> dict[str, Any]:
    return INTERVAL


@pytest.fixture
def more() -> dict[str, Any]:
    return {}


@pytest.fixture
def home(
    tmp_path: Path, plug: SimulatedPlug, energy: dict[str, Any], more: dict[str, Any]
) -> Iterator[Home]:
    """A house at noon that has measured its heater once.

    Of tomorrow: modules ask the machine for the day, so there too it is today or yesterday, even
    when midnight passes meanwhile.
    """
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    clock = FakeClock(noon + timedelta(days=1))
    modules = {"plug": {"plugs": {"heater": f"{plug.host}:{plug.port}"}}, "energy": energy}
    with TestHouse(tmp_path, modules=modules, clock=clock, **more) as house:
        home = Home(house, clock)
        rest(home, 15)
        yield home


def rest(home: Home, minutes: float) -> None:
    """Let time pass in quarters of an hour and wait until what was due is done."""

    async def do() -> None:
        home.clock.move(15 * 60)

    for _ in range(round(minutes / 15)):
        home.house.do(do())
        done(home)


def restart(home: Home) -> None:
    home.house.stop()
    home.house.start()
    done(home)


def done(home: Home) -> None:
    """Wait until the rounds and the watchman sleep; without watches he does not run."""
    home.house.until(lambda: home.inside.rounds.asleep)
    if home.inside.watchman.sources:
        home.settle()


def erase(plug: SimulatedPlug) -> None:
    plug.device.meter.members(plug.device.faults)["erase_emeter_stat"]({})


def told(home: Home) -> int:
    """How often it was told; nothing waits to be sent then."""
    home.house.settle()
    return sum(FELL in each.text for each in home.house.inbox.received)


def test_by_the_readings_at_an_interval(home: Home, plug: SimulatedPlug) -> None:
    erase(plug)
    rest(home, 60)
    assert told(home) == 1
    restart(home)
    rest(home, 60)
    assert told(home) == 1


class TestWatched:
    """The readings at the interval see it first, and are not those that tell."""

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": WATCH}

    def test_by_the_watch(self, home: Home, plug: SimulatedPlug) -> None:
        erase(plug)
        rest(home, 30)
        assert told(home) == 0
        rest(home, 150)
        assert told(home) == 1


class TestQuiet:
    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"quiet": QUIET}

    def test_after_quiet_hours(self, home: Home, plug: SimulatedPlug) -> None:
        erase(plug)
        rest(home, 60)
        restart(home)
        rest(home, 60)
        assert told(home) == 0
        rest(home, 120)
        assert told(home) == 1


class TestWatchedQuiet:
    @pytest.fixture
    def energy(self) -> dict[str, Any]:
        return {"recheck": 0}

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        return {"watches": WATCH, "quiet": QUIET}

    def test_by_the_watch_after_quiet_hours_and_a_restart_in_them(
        self, home: Home, plug: SimulatedPlug
    ) -> None:
        erase(plug)
        rest(home, 60)
        restart(home)
        rest(home, 60)
        assert told(home) == 0
        rest(home, 120)
        assert told(home) == 1

    def test_by_the_watch_though_somebody_asked_before(
        self, home: Home, plug: SimulatedPlug
    ) -> None:
        erase(plug)
        home.phone.text("!energy heater")
        assert home.phone.reply == FELL
        rest(home, 240)
        assert told(home) == 2, "the reply, and what the owners are told"
