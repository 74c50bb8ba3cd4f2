"""Behaviour of the energy command against simulated plugs on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.plugs.test_tapo import StandIn

from housecarl import Call, CommandError
from housecarl.module import House
from housecarl.plugs import tapo, wire
from housecarl.plugs.device import Device
from housecarl.plugs.flash_log import StoreLog
from housecarl.plugs.sense import WELL_AFTER
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

from .conftest import Commands

Make = Callable[..., SimulatedPlug]


@pytest.fixture(autouse=True)
def one_day() -> Iterator[None]:
    """The simulated plugs' day, by the clocks of the machine, is that of the house."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def house(load: Callable[[str], Commands]) -> Commands:
    commands = load("energy")
    commands.house = House("Elm Street", "UTC", "us")
    return commands


@pytest.fixture
def make(house: Commands) -> Iterator[Make]:
    addresses: dict[str, Any] = {}
    with ExitStack() as stack:

        def start(alias: str, folder: Path | None = None, **options: Any) -> SimulatedPlug:
            plug = stack.enter_context(SimulatedPlug(alias=alias, **options))
            addresses[alias] = {"host": plug.host, "port": plug.port, "max_watts": 1875}
            house.set(plugs=addresses, recheck=0.0, patience=0.5, folder=folder)
            return plug

        yield start


@pytest.mark.parametrize("emeter", ["v1", "v2"])
async def test_both_sets_of_units_read_the_same(house: Commands, make: Make, emeter: str) -> None:
    make("lamp", emeter=emeter)
    assert await house.text("energy", "lamp") == (
        "lamp 43 W now, 0.31 kWh today, 0.3 kWh this month."
    )


async def test_each_period_has_its_numbers(house: Commands, make: Make) -> None:
    make("lamp")
    today = f"{datetime.now():%a}"
    assert await house.text("energy", "lamp", "today") == "lamp 0.31 kWh today, 43 W now."
    assert await house.text("energy", "lamp", "week") == (f"lamp 0.31 kWh in 7 days: {today} 0.31.")
    assert await house.text("energy", "lamp", "month") == "lamp 0.31 kWh this month, 0.31 a day."


async def test_today_is_never_the_whole_week(house: Commands, make: Make) -> None:
    """Neither while nothing was counted today, nor while the plug has no entry of it yet."""
    lamp = make("lamp", relay=False, today_kwh=0.0)
    lamp.device.meter.days[date.today() - timedelta(days=1)] = 0.7
    assert await house.text("energy", "lamp", "today") == "lamp 0.00 kWh today, 0 W now."
    lamp.device.faults.words["no_today"] = 0.0
    assert await house.text("energy", "lamp", "today") == "lamp no count of today, 0 W now."
    day = f"{date.today() - timedelta(days=1):%a}"
    assert await house.text("energy", "lamp", "week") == f"lamp 0.70 kWh in 7 days: {day} 0.70."


async def test_a_month_that_ends_while_it_is_told_is_the_one_that_was_asked_for(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("lamp")
    days = iter([date.today()])
    later = date.today() + timedelta(days=31)
    monkeypatch.setattr(house.module, "_today", lambda _: next(days, later))
    assert await house.text("energy", "lamp", "month") == "lamp 0.31 kWh this month, 0.31 a day."


@pytest.mark.parametrize(
    ("day", "week", "month"),
    [
        (9, "0.50 kWh in 7 days: Mon 0.20, Sun 0.30", "2.00 kWh this month, 0.50 a day"),
        (2, "2.40 kWh in 7 days: Fri 0.90, Sat 0.80, Sun 0.70", "1.50 kWh this month, 0.75 a day"),
        (1, "1.70 kWh in 7 days: Fri 0.90, Sat 0.80", "0.80 kWh this month, 0.80 a day"),
    ],
)
async def test_a_week_is_7_days_and_a_month_its_own(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch, day: int, week: str, month: str
) -> None:
    """Also where the month changed within the week, and a plug tells days that are to come."""
    lamp = make("lamp", fault="no_today")
    lamp.device.meter.days |= {
        date(2025, 10, 31): 0.9,
        **{date(2025, 11, number): kwh for number, kwh in ((1, 0.8), (2, 0.7), (3, 0.2), (9, 0.3))},
    }
    monkeypatch.setattr(house.module, "_today", lambda _: date(2025, 11, day))
    assert await house.text("energy", "lamp", "week") == f"lamp {week}."
    assert await house.text("energy", "lamp", "month") == f"lamp {month}."
    told = f"{float(month[:4]):.1f} kWh this month."
    assert (await house.text("energy", "lamp")).endswith(told), "as of the month itself"


async def test_a_month_has_its_count_on_its_first_day_too(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plug is asked for the month before as well then."""
    lamp, first = make("lamp"), date.today().replace(day=1)
    lamp.device.meter.days[first] = 0.31
    monkeypatch.setattr(house.module, "_today", lambda _: first)
    assert await house.text("energy", "lamp") == (
        "lamp 43 W now, 0.31 kWh today, 0.3 kWh this month."
    )


async def test_what_no_plug_counted_is_not_0_kwh(house: Commands, make: Make) -> None:
    """Such a plug is left out of a sum, and nothing is an average of no days."""
    make("lamp", fault="no_days")
    assert await house.text("energy", "lamp") == "lamp 43 W now."
    assert await house.text("energy", "lamp", "today") == "lamp no count of today, 43 W now."
    assert await house.text("energy", "lamp", "week") == "lamp no count of the last 7 days."
    assert await house.text("energy", "lamp", "month") == "lamp no count of this month."
    make("fan")
    assert await house.text("energy", "week") == "0.31 kWh week: fan 0.31, lamp no count."
    make("fan", fault="no_days")
    for period in ("today", "week", "month"):
        assert await house.text("energy", period) == "fan no count, lamp no count."


@pytest.fixture
async def den(house: Commands, make: Make) -> AsyncIterator[StandIn]:
    """A newer plug, beside the older one lamp."""
    await wire.load()
    loop, plug = asyncio.get_running_loop(), StandIn()
    plug.is_on = True
    host, user = key = ("192.0.2.1", "ann@example.org")
    tapo._sessions[key] = tapo.Session(plug, loop, loop.call_later(60, lambda: None))
    lamp = make("lamp")
    den = {"host": host, "user": user, "password": {"env": "TAPO_PASSWORD"}}
    plugs = {"den": den, "lamp": f"{lamp.host}:{lamp.port}"}
    house.set(plugs=plugs, recheck=0.0, patience=0.5)
    yield plug
    await tapo.close()


async def test_a_newer_plug_tells_its_month_without_days(house: Commands, den: StandIn) -> None:
    assert await house.text("energy", "den", "week") == "den no count of the last 7 days."
    assert await house.text("energy", "den", "month") == "den 5.20 kWh this month."
    assert await house.text("energy", "month") == "5.51 kWh month: den 5.20, lamp 0.31."
    den.modules["Energy"].consumption_this_month = 7324.0  # more than it can have drawn
    assert await house.text("energy", "den", "month") == "den no count of this month."


async def test_an_impossible_number_is_a_wrong_meter_and_hides_no_other(
    house: Commands, make: Make
) -> None:
    make("lamp")
    make("heater", glitch_watts=10**400)  # JSON has integers of any length
    assert await house.text("energy") == "43 W in all: heater meter wrong, lamp 43."
    found = await look(house)
    assert found["lamp"][0] is True and found["heater"][0] is False


async def test_whatever_breaks_over_one_plug_is_an_error_of_that_plug(
    house: Commands, den: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the interval it is no news of its meter."""
    monkeypatch.setattr(den, "rssi", "loud")
    sentence = "den gives an answer that makes no sense."
    assert await house.text("energy") == f"43 W in all: lamp 43. {sentence}"
    assert [(await look(house))[name][0] for name in ("den", "lamp")] == [None, True]


async def test_a_mail_gets_a_chart_of_the_days(house: Commands, make: Make) -> None:
    make("lamp")
    reply = await house.run("energy", "lamp", "week")
    assert reply.bars == [(f"{datetime.now():%a %d}", 0.31)] and reply.unit == "kWh"


async def test_a_mail_gets_a_table_of_what_the_meter_says(house: Commands, make: Make) -> None:
    make("lamp", volts=120.0, watts=60.0, power_factor=1.0)
    assert (await house.run("energy", "lamp")).rows == [
        ("lamp", "60.0 W"),
        ("Voltage", "120.0 V"),
        ("Current", "0.500 A"),
        ("Counter", "55.14 kWh"),
    ]


async def test_several_are_summed(house: Commands, make: Make) -> None:
    make("lamp")
    make("heater", watts=900.0)
    make("fan", relay=False)
    assert await house.text("energy") == "943 W in all: fan 0, heater 900, lamp 43."
    assert await house.text("energy", "lamp", "heater", "today") == (
        "0.62 kWh today: lamp 0.31, heater 0.31."
    )


async def test_a_wrong_meter_is_not_counted(house: Commands, make: Make) -> None:
    make("lamp")
    make("heater", glitch_watts=28321.7)
    assert await house.text("energy") == "43 W in all: heater meter wrong, lamp 43."
    assert await house.text("energy", "heater") == (
        "heater reports 28322 W, over its 1875 W limit: the meter is wrong. Try !firmware heater."
    )
    readings = await house.hand.store.series("watts.heater", datetime.min.replace(tzinfo=UTC))
    assert readings == []


async def test_a_newer_firmware_is_named_as_the_cure(
    house: Commands, make: Make, tmp_path: Path
) -> None:
    plug = make("heater", folder=tmp_path, glitch_watts=28321.7)
    image = make_image([plug.device.nature.hw_id], "1.2.6 Build 200727 Rel.121701", 120_000)
    (tmp_path / "new.bin").write_bytes(image)
    assert await house.text("energy", "heater") == (
        "heater reports 28322 W, over its 1875 W limit: the meter is wrong. "
        "Firmware 1.2.6 may cure it: !firmware heater."
    )


async def test_where_no_firmware_fits_none_is_named(
    house: Commands, make: Make, tmp_path: Path
) -> None:
    make("heater", folder=tmp_path, glitch_watts=28321.7)
    assert (await house.text("energy", "heater")).endswith(" wrong. Try !firmware heater.")


async def test_glitches_are_left_out_and_counted(house: Commands, make: Make) -> None:
    lamp = make("lamp", glitches=((0, 9000.0), (3, 9000.0), (4, 9000.0)))
    for ignored in ("1 glitch", "2 glitches"):
        assert await house.text("energy", "lamp") == (
            f"lamp 43 W now, 0.31 kWh today, 0.3 kWh this month. {ignored} ignored."
        )
    assert lamp.device.meter.readings == 6


async def test_a_day_that_cannot_be_is_a_wrong_meter(house: Commands, make: Make) -> None:
    make("heater", today_kwh=7324.0)
    assert await house.text("energy", "heater") == (
        "heater counts 7324 kWh today, more than a day can hold: the meter is wrong. "
        "Try !firmware heater."
    )


async def test_what_no_day_can_hold_is_in_no_sum(house: Commands, make: Make) -> None:
    lamp = make("lamp")
    lamp.device.meter.days[date.today() - timedelta(days=1)] = 7324.0
    today = f"{date.today():%a}"
    assert await house.text("energy", "lamp", "week") == f"lamp 0.31 kWh in 7 days: {today} 0.31."


async def test_a_counter_that_fell_is_told_once(house: Commands, make: Make) -> None:
    plug = make("lamp")
    await house.text("energy", "lamp")
    plug.device.meter.members(plug.device.faults)["erase_emeter_stat"]({})
    assert await house.text("energy", "lamp") == (
        "lamp: its counter fell by 55.14 kWh. It counts from there on."
    )
    assert (await house.text("energy", "lamp")).startswith("lamp 43 W now")


async def test_the_counter_of_another_plug_did_not_fall(house: Commands, make: Make) -> None:
    """A new plug took the name, or two swapped their addresses."""
    plug = make("lamp")
    await house.text("energy", "lamp")
    plug.device.mac = "50:C7:BF:99:99:99"
    plug.device.meter.members(plug.device.faults)["erase_emeter_stat"]({})
    assert (await house.text("energy", "lamp")).startswith("lamp 43 W now")


async def test_a_counter_that_fell_is_no_wrong_meter_among_several(
    house: Commands, make: Make
) -> None:
    lamp = make("lamp")
    make("fan")
    await house.text("energy")
    lamp.device.meter.members(lamp.device.faults)["erase_emeter_stat"]({})
    fell = "lamp: its counter fell by 55.14 kWh. It counts from there on."
    assert await house.text("energy") == f"86 W in all: fan 43, lamp 43. {fell}"
    assert await house.text("energy") == "86 W in all: fan 43, lamp 43."


async def test_readings_are_kept(house: Commands, make: Make) -> None:
    make("lamp")
    await house.text("energy", "lamp")
    since = datetime.now(UTC) - timedelta(minutes=1)
    assert [value for _, value in await house.hand.store.series("watts.lamp", since)] == [43.0]


@pytest.mark.long
async def test_a_plug_without_meter_or_answer_is_said(house: Commands, make: Make) -> None:
    make("switch", emeter="none", model="HS100(US)")
    make("fan", fault="silent")
    with pytest.raises(CommandError, match=r"^switch has no meter\.$"):
        await house.run("energy", "switch")
    with pytest.raises(CommandError, match=r"^fan does not answer\.$"):
        await house.run("energy", "fan")


@pytest.mark.long
async def test_one_that_answers_slowly_keeps_no_other_from_being_told(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its answers comes in time, all of them would outlast the command."""
    monkeypatch.setattr(house.module, "LONGEST_READING", 0.5)
    make("lamp")
    make("fan", delay=0.3)
    assert await house.text("energy") == "43 W in all: lamp 43. fan takes too long to answer."
    async with house.hand.lock(Device("lamp", house.settings.plugs["lamp"]).key):
        with pytest.raises(CommandError, match=r"^lamp is busy with another request\.$"):
            await house.run("energy", "lamp")


async def look(house: Commands) -> dict[str, tuple[bool | None, str]]:
    """One regular reading of all plugs."""
    call = Call("energy", settings=house.settings, house=house.house, means=house.hand)
    return {one.name: (one.well, one.text) for one in await house.module.readings(call)}


@pytest.mark.parametrize("fault", ["no_watts", "no_meter"])
async def test_a_meter_without_watts_has_no_reading_and_never_0_w(
    house: Commands, make: Make, fault: str
) -> None:
    make("fan", fault=fault)
    make("lamp")
    assert await house.text("energy", "fan") == (
        "fan no reading, 0.31 kWh today, 0.3 kWh this month."
    )
    assert await house.text("energy") == "43 W in all: fan no reading, lamp 43."
    assert (await house.run("energy")).bars == [("lamp", 43.0)]
    assert await house.text("energy", "today") == "0.62 kWh today: fan 0.31, lamp 0.31."
    assert (await look(house))["fan"] == (None, "")
    assert await house.hand.store.series("watts.fan", datetime.min.replace(tzinfo=UTC)) == []


async def test_a_wrong_meter_that_tells_nothing_any_more_is_not_well(
    house: Commands, make: Make
) -> None:
    plug = make("heater", glitch_watts=28321.7)
    await house.run("energy", "heater")
    plug.device.meter.glitch_watts = 0.0
    plug.device.faults.words["no_watts"] = 0.0
    for _ in range(WELL_AFTER + 1):
        assert await house.text("energy", "heater") == (
            "heater no reading, 0.31 kWh today, 0.3 kWh this month."
        )
    del plug.device.faults.words["no_watts"]
    assert not (await house.text("energy", "heater")).endswith("Its meter is well again.")


async def test_regular_readings_tell_how_each_meter_is(house: Commands, make: Make) -> None:
    """A glitch and a silent plug are no news."""
    make("lamp", glitches=((0, 9000.0),), volts=121.3)
    make("heater", glitch_watts=28321.7)
    make("switch", emeter="none", model="HS100(US)")
    make("fan", fault="silent")
    wrong = (
        "heater reports 28322 W, over its 1875 W limit: the meter is wrong. Try !firmware heater."
    )
    assert await look(house) == {
        "lamp": (True, "lamp: its meter is well again."),
        "lamp.counter": (True, ""),
        "heater": (False, wrong),
        "heater.counter": (True, ""),
        "fan": (None, ""),
        "fan.counter": (None, ""),
    }


async def test_a_wrong_meter_is_so_until_ten_good_readings(house: Commands, make: Make) -> None:
    lamp = make("lamp", glitch_watts=28321.7)
    assert (await look(house))["lamp"][0] is False
    lamp.device.meter.glitch_watts = 0.0
    assert [(await look(house))["lamp"][0] for _ in range(10)] == [None] * 9 + [True]
    lamp.device.meter.members(lamp.device.faults)["erase_emeter_stat"]({})
    fell = "lamp: its counter fell by 55.14 kWh. It counts from there on."
    assert [(await look(house))["lamp.counter"] for _ in range(2)] == [(False, fell)] * 2


async def test_readings_are_taken_only_when_an_interval_is_set(house: Commands, make: Make) -> None:
    every = house.module.interval
    assert every(house.module.Settings(interval="15m")) is None, "no plugs"
    make("lamp")
    assert every(house.settings) is None
    house.set(plugs={"lamp": "192.168.1.41"}, interval="15m")
    assert every(house.settings) == 900


async def test_a_plug_that_is_being_flashed_is_not_measured(house: Commands, make: Make) -> None:
    """Who asks is told; at the interval it is passed over, and that is no news of its meter."""
    lamp = make("lamp")
    make("fan")
    log = StoreLog(house.hand.store.beside("firmware"))
    assert await log.claim("lamp", {"target": "1.2.3"})
    told = "lamp is being flashed to 1.2.3; do not unplug it."
    with pytest.raises(CommandError) as caught:
        await house.run("energy", "lamp")
    assert str(caught.value) == told
    assert await house.text("energy") == f"43 W in all: fan 43. {told}"
    found = await look(house)
    assert found["lamp"] == found["lamp.counter"] == (None, "") and found["fan"][0]
    assert lamp.asked("get_sysinfo") == 0
    await log.finish("lamp flashed", done=True)
    assert (await look(house))["lamp"][0]
