"""What the house measures by itself: machines, plugs, disks, certificates."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.stories.home import Home

from housecarl.means import JournalStore
from housecarl.plugs.flash_log import StoreLog
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse, free_port
from housecarl.testing.plug import SimulatedPlug

pytestmark = pytest.mark.long(after=3)


def listen(port: int) -> socket.socket:
    """A machine that takes connections on a port of loopback."""
    return socket.create_server(("127.0.0.1", port))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def lamp() -> Iterator[SimulatedPlug]:
    """A plug that is on and draws 43 W."""
    with SimulatedPlug(alias="lamp") as plug:
        yield plug


@pytest.fixture
def watches() -> dict[str, Any]:
    """The section of the configuration."""
    return {}


@pytest.fixture
def home(tmp_path: Path, port: int, lamp: SimulatedPlug, watches: dict[str, Any]) -> Iterator[Home]:
    clock = FakeClock()  # a Monday, 12:00
    modules = {"plug": {"plugs": {"lamp": {"host": lamp.host, "port": lamp.port}}}}
    with TestHouse(tmp_path, modules=modules, clock=clock, watches=watches) as house:
        home = Home(house, clock)
        home.settle()
        yield home


class TestHosts:
    """A machine that should answer."""

    @pytest.fixture
    def watches(self, port: int) -> dict[str, Any]:
        return {"hosts": {"nas": {"address": "127.0.0.1", "port": port}}}

    def test_a_machine_that_goes_away_is_told_and_shown(self, home: Home, port: int) -> None:
        with closing(listen(port)):
            home.pass_(1)
        home.pass_(1)
        home.pass_(4)
        assert home.phone.silent
        home.pass_(1)
        assert home.phone.reply == f"nas: port {port} is closed, since 12:02."
        home.phone.text("!status")
        assert home.phone.reply.startswith(
            f"Elm Street has trouble. host.nas: nas: port {port} is closed"
        )

    def test_it_is_told_once_over_restarts_and_well_again(self, home: Home, port: int) -> None:
        home.pass_(6)
        assert home.phone.reply == f"nas: port {port} is closed, since 12:00."
        home.restart()
        home.pass_(60)
        assert home.phone.silent
        assert home.parts()["host.nas"] is False
        with closing(listen(port)):
            home.pass_(1)
            home.pass_(6)
            assert home.phone.reply == "nas is well again since 13:07, after 1 h 7 min."
        assert home.parts()["host.nas"] is True

    def test_a_machine_that_is_away_for_a_moment_is_no_news(self, home: Home, port: int) -> None:
        for _ in range(3):
            with closing(listen(port)):
                home.pass_(1)
            home.pass_(4)
        assert home.phone.silent

    def test_nothing_is_measured_on_a_clock_that_is_not_set(self, home: Home) -> None:
        home.clock.doubt()
        home.restart()
        home.pass_(60)
        assert "host.nas" not in home.parts()
        home.clock.doubt(False)
        home.pass_(1)
        home.pass_(4)
        assert home.phone.silent
        home.pass_(1)
        assert home.phone.reply.endswith("is closed, since 13:01.")

    def test_what_is_not_watched_any_more_is_no_trouble(self, home: Home, tmp_path: Path) -> None:
        home.pass_(6)
        assert home.parts()["host.nas"] is False
        home.house.stop()
        with TestHouse(tmp_path, clock=home.clock) as house:
            assert "host.nas" not in Home(house, home.clock).parts()


class TestPlugs:
    """What a plug draws."""

    @pytest.fixture
    def watches(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        # what cannot be right is asked again a second later, which here need not be one
        monkeypatch.setattr("housecarl.watches.power.RECHECK_AFTER", 0.01)
        return {"plugs": {"lamp": {"over": 100, "under": 5, "after": "10m"}}}

    def test_too_many_watts_are_told_when_they_last(self, home: Home, lamp: SimulatedPlug) -> None:
        lamp.device.meter.watts = 180.0
        home.pass_(5)
        home.pass_(5)
        assert home.phone.silent
        home.pass_(5)
        assert home.phone.reply == "lamp: 180 W, over 100 W, since 12:05."
        lamp.device.meter.watts = 43.0
        home.pass_(5)
        home.pass_(10)
        assert home.phone.reply == "lamp is well again since 12:20, after 15 min."

    def test_too_few_watts_and_a_plug_that_is_off(self, home: Home, lamp: SimulatedPlug) -> None:
        lamp.device.meter.watts = 1.0
        home.pass_(5)
        home.pass_(10)
        assert home.phone.reply == "lamp: 1 W, under 5 W, since 12:05."
        lamp.device.relay = False
        home.pass_(5)
        assert home.phone.silent, "it is the same trouble"
        home.phone.text("!status")
        assert "lamp: switched off, under 5 W" in home.phone.reply

    def test_a_plug_that_is_silent_is_not_watched_and_that_is_told(
        self, home: Home, lamp: SimulatedPlug
    ) -> None:
        lamp.stop()
        home.pass_(5)
        home.pass_(10)
        assert home.phone.reply == "lamp: no answer, since 12:05."

    def test_a_plug_that_is_being_flashed_is_not_asked_and_that_is_neither_0_w_nor_well(
        self, home: Home, lamp: SimulatedPlug
    ) -> None:
        flash = StoreLog(JournalStore(home.inside.db, "firmware", home.clock))
        lamp.device.meter.watts = 180.0
        home.pass_(5)
        asked, lamp.device.meter.watts = len(lamp.device.asked), 1.0
        assert home.house.do(flash.claim("lamp", {"target": "1.2.3"}))
        for _ in range(6):
            home.pass_(5)
        assert home.phone.silent and len(lamp.device.asked) == asked
        home.house.do(flash.finish("lamp flashed", done=True))
        lamp.device.meter.watts = 180.0
        home.pass_(5)
        assert home.phone.reply == "lamp: 180 W, over 100 W, since 12:05."
        assert home.house.do(flash.claim("lamp", {"target": "1.2.4"}))
        lamp.device.meter.watts = 43.0
        for _ in range(6):
            home.pass_(5)
        assert home.phone.silent and home.parts()["plug.lamp"] is False

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            ("no_watts", "lamp: no reading, since 12:05."),
            ("no_meter", "lamp: no reading, since 12:05."),
            ("nan_reply", "lamp meter: reports a power that is no number."),
        ],
    )
    def test_a_meter_that_tells_no_watts_is_told_and_is_no_0_w(
        self, home: Home, lamp: SimulatedPlug, fault: str, told: str
    ) -> None:
        lamp.device.faults.words[fault] = 0.0
        home.pass_(5)
        home.pass_(10)
        assert home.phone.reply == told

    def test_a_meter_that_cannot_be_right_is_told_once(
        self, home: Home, lamp: SimulatedPlug
    ) -> None:
        lamp.device.meter.glitch_watts = 28417.0
        home.pass_(5)
        assert home.phone.reply == "lamp meter: reports 28417 W, over its 1875 W limit."
        lamp.device.meter.glitch_watts = 0.0
        for _ in range(9):
            home.pass_(5)
        assert home.phone.silent
        home.pass_(5)
        assert home.phone.reply == "lamp meter is well again since 12:55, after 50 min."


class TestDisks:
    """What fills up; a disk that is one percent full is easy to find."""

    @pytest.fixture
    def watches(self, tmp_path: Path) -> dict[str, Any]:
        paths = ["/", str(tmp_path / "gone")]
        return {"disk": {"percent": 1, "after": "20m", "paths": paths, "urgent": True}}

    def test_disks_are_told_in_one_message(self, home: Home, tmp_path: Path) -> None:
        home.pass_(10)
        assert home.phone.silent
        home.pass_(10)
        told = home.phone.reply
        assert told.startswith("disk /: ") and "% full, since 12:00." in told
