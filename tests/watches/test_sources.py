"""Which sources a configuration asks for, and how a plug among them is measured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from tests.doors.certificate import certificate

from housecarl import config_file
from housecarl.config_watches import PlugWatch
from housecarl.house import House
from housecarl.journal import JOURNAL, values
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.clock import FakeClock
from housecarl.testing.plug import SimulatedPlug
from housecarl.watches import MODULE, chosen
from housecarl.watches.power import Plug
from housecarl.watches.source import Notice

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Open = Callable[[dict[str, Any]], House]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """A house that is built with these watches and whose journal is open; nothing runs in it."""
    houses = []

    def build(watches: dict[str, Any]) -> House:
        cert, key = certificate(tmp_path)
        config = {
            "people": {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}},
            "spool": str(tmp_path / "spool"),
            "doors": {
                "smtp": {
                    "recipients": ["cmd@home.example"],
                    "certificate": {"cert": str(cert), "key": str(key)},
                }
            },
            "modules": {"plug": {"plugs": {"lamp": "127.0.0.1"}}},
            "watches": watches,
        }
        file = tmp_path / "house.yaml"
        file.write_text(yaml.safe_dump(config))
        (tmp_path / "spool" / JOURNAL).parent.mkdir(parents=True)
        houses.append(House(config_file.load(file), FakeClock()))
        houses[0].db.open()
        return houses[0]

    yield build
    await houses[0].db.close()


@pytest.mark.parametrize(
    ("watches", "names"),
    [
        ({}, []),
        ({"certificate": {}}, ["certificate"]),
        ({"disk": {"paths": ["/"]}}, ["disk./"]),
        ({"disk": {"paths": ["/"]}, "certificate": {}}, ["certificate", "disk./"]),
        ({"plugs": {"lamp": {}}}, ["counter.lamp", "meter.lamp", "plug.lamp"]),
    ],
)
async def test_what_is_named_is_watched_and_nothing_else(
    opened: Open, watches: dict[str, Any], names: list[str]
) -> None:
    house = opened(watches)
    found = chosen.sources(house.config, house.workshop, dict)
    assert sorted(name for source in found for name in source.names) == names


async def test_a_state_that_is_nothing_of_ours_costs_that_state_not_the_start(opened: Open) -> None:
    """A text that is no JSON is left out below; this is JSON, as another version may write it."""
    house = opened({"disk": {"paths": ["/"]}})
    await house.db.write(lambda conn: values.put(conn, MODULE, "disk./", [1], 1.0))
    await house.watchman.open()


async def look(house: House, *plugs: SimulatedPlug) -> list[tuple[str, bool | str, str]]:
    """What one look at the lamp finds, among the plugs that the module knows now."""
    known = {one.device.alias: PlugAddress(host=one.host, port=one.port) for one in plugs}
    watch = PlugWatch(over=100)
    lamp = Plug("lamp", watch, lambda: known, house.workshop, ZoneInfo("UTC"))
    found = await lamp.look(NOON)
    return [
        (each.name, "news" if isinstance(each, Notice) else bool(each.ok), each.text)
        for each in found
    ]


async def test_a_plug_that_the_module_does_not_know_any_more_is_trouble(opened: Open) -> None:
    with SimulatedPlug(alias="heater") as heater:
        found = await look(opened({}), heater)
        assert found == [("plug.lamp", False, "no such plug")]
        assert heater.device.asked == []


async def test_a_plug_that_has_no_meter_is_trouble(opened: Open) -> None:
    with SimulatedPlug(emeter="none") as lamp:
        assert await look(opened({}), lamp) == [("plug.lamp", False, "it has no meter")]


async def test_what_answers_at_a_plugs_address_and_is_none_is_trouble(
    opened: Open,
) -> None:
    with SimulatedPlug(fault="garbage") as lamp:
        found = await look(opened({}), lamp)
    assert found == [("plug.lamp", False, "gives an answer that makes no sense")]


async def test_a_counter_that_began_anew_is_told_and_the_watts_are_judged(opened: Open) -> None:
    house = opened({})
    with SimulatedPlug(watts=180.0) as lamp:
        assert ("meter.lamp", True, "") in await look(house, lamp)
        lamp.device.meter.members(lamp.device.faults)["erase_emeter_stat"]({})
        assert await look(house, lamp) == [
            (
                "counter.lamp",
                "news",
                "lamp: its counter fell by 55.14 kWh. It counts from there on.",
            ),
            ("meter.lamp", True, ""),
            ("plug.lamp", False, "180 W, over 100 W"),
        ]
