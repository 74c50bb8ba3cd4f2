"""Several plugs in one command: each is told as it is, and none keeps another waiting."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta

import pytest

from ..conftest import Commands
from .conftest import Make, refusal


async def test_all_means_every_plug(house: Commands, make: Make) -> None:
    lamp, heater = make("lamp"), make("heater", watts=900.0)
    assert await house.text("plug", "all", "off") == "heater off, lamp off."
    assert not lamp.relay and not heater.relay
    assert not (await house.run("plug")).bars, "nothing is drawn"


async def test_several_named_at_once_are_switched_and_no_other(house: Commands, make: Make) -> None:
    lamp, fan, heater = make("lamp", relay=False), make("fan", relay=False), make("heater")
    assert await house.text("plug", "lamp,fan", "on") == "lamp on, fan on. 86 W in all."
    assert lamp.relay and fan.relay and heater.asked("set_relay_state") == 0
    assert await house.text("plug", "lamp,", "fan") == "lamp on, fan on. 86 W in all."


async def test_one_of_several_fails_and_the_rest_is_done(house: Commands, make: Make) -> None:
    lamp, fan = make("lamp"), make("fan", fault="rst")
    reply = await house.text("plug", "all", "off")
    assert reply == "fan does not answer. It may have switched. lamp off."
    assert not lamp.relay and fan.relay


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("silent", "heater does not answer. It may have switched."),
        ("relay_stuck", "heater said yes but is still off."),
        ("gone", "heater does not answer. Nothing was switched."),
    ],
)
async def test_of_several_each_is_told_as_it_is_and_a_silent_one_keeps_no_other_waiting(
    house: Commands, make: Make, fault: str, told: str
) -> None:
    lamp = make("lamp", relay=False)
    heater = make("heater", relay=False, fault=fault.replace("gone", ""))
    fan = make("fan", relay=False, glitch_watts=28417.0)
    if fault == "gone":
        heater.stop()
    house.set(**dict(house.settings) | {"recheck": 2.0, "patience": 1.0})
    started = time.monotonic()
    reply = await house.text("plug", "lamp", "heater", "fan", "on")
    assert reply == f"{told} lamp on, fan on (meter wrong). 43 W in all."
    assert time.monotonic() - started < 1.9, "in all, with the rechecks of a bad meter"
    assert (lamp.relay, heater.relay, fan.relay) == (True, False, True)


@pytest.mark.parametrize("fault", ["no_watts", "no_meter"])
async def test_a_meter_without_watts_has_no_reading_and_never_0_w(
    house: Commands, make: Make, fault: str
) -> None:
    make("lamp")
    make("fan", fault=fault)
    assert await house.text("plug", "fan") == "fan on. No reading, 0.31 kWh today."
    reply = await house.run("plug", "lamp", "fan")
    assert reply.text == "lamp on, fan on (no reading). 43 W in all."
    assert reply.bars == [("lamp", 43.0)] and ("Power", "no reading") in reply.rows


async def test_one_with_an_impossible_number_keeps_no_other_from_being_told(
    house: Commands, make: Make
) -> None:
    lamp, fan = make("lamp"), make("fan", relay=False, glitch_watts=10**400)
    assert await house.text("plug", "all", "on") == ("fan on (meter wrong), lamp on. 43 W in all.")
    assert lamp.relay and fan.relay


async def test_when_none_of_several_answers_each_is_told(house: Commands, make: Make) -> None:
    for name in ("lamp", "fan", "heater", "pump"):
        make(name).stop()
    assert await refusal(house, "all", "off") == " ".join(
        f"{name} does not answer. Nothing was switched."
        for name in ("fan", "heater", "lamp", "pump")
    )


async def test_several_for_minutes_are_switched_back_together_but_none_that_failed(
    house: Commands, make: Make
) -> None:
    lamp, fan = make("lamp", relay=False), make("fan", relay=False)
    make("heater").stop()
    reply = await house.text("plug", "lamp", "heater", "fan", "on", "30")
    assert re.fullmatch(
        r"heater does not answer\. Nothing was switched\. lamp on, fan on\. 86 W in all\."
        r" Off again at \d\d:\d\d\.",
        reply,
    )
    assert house.hand.jobs == [(timedelta(minutes=30), "!plug lamp fan off")]
    assert lamp.asked("add_rule") == fan.asked("add_rule") == 1


async def test_one_that_is_switched_while_another_is_still_waited_for_is_left_alone_later(
    house: Commands, make: Make
) -> None:
    lamp, fan = make("lamp", relay=False), make("fan", relay=False)
    house.set(**dict(house.settings) | {"patience": 5.0})
    async with house.hand.lock(f"plug {fan.host}:{fan.port}"):
        both = asyncio.create_task(house.text("plug", "lamp", "fan", "on", "30"))
        async with asyncio.timeout(5):
            while not lamp.asked("add_rule"):  # noqa: ASYNC110 - a plug has no event for it
                await asyncio.sleep(0.005)
        await house.text("plug", "lamp", "on")
    await both
    assert house.hand.jobs == [(timedelta(minutes=30), "!plug fan off")]


async def test_a_plug_that_others_talk_to_all_the_time_is_not_waited_for(
    house: Commands, make: Make
) -> None:
    lamp = make("lamp", relay=False)
    make("fan", relay=False)
    async with house.hand.lock(f"plug {lamp.host}:{lamp.port}"):
        reply = await house.text("plug", "lamp", "fan", "on")
    assert reply == "lamp is busy with another request. Nothing was switched. fan on. 43 W in all."
    assert lamp.device.asked == []


async def test_without_a_name_all_plugs_are_told(house: Commands, make: Make) -> None:
    make("lamp")
    make("fan", relay=False)
    assert await house.text("plug") == "fan off, lamp on. 43 W in all."


async def test_who_switches_it_before_does_not_end_what_is_to_switch_it_back_after(
    house: Commands, make: Make
) -> None:
    """Two people at once: one waits for the other, and had arranged for later before."""
    lamp = make("lamp", relay=False)
    async with house.hand.lock(f"plug {lamp.host}:{lamp.port}"):
        off = asyncio.create_task(house.text("plug", "lamp", "off"))
        on = asyncio.create_task(house.text("plug", "lamp", "on", "30"))
        async with asyncio.timeout(5):
            while not house.hand.jobs:  # noqa: ASYNC110 - what is scheduled has no event
                await asyncio.sleep(0)
    assert (await off).startswith("lamp off. ")
    assert " Off again at " in await on
    assert lamp.relay
    assert house.hand.jobs == [(timedelta(minutes=30), "!plug lamp off")]
    await house.text("plug", "lamp", "on")
    assert house.hand.jobs == [(timedelta(minutes=30), "")], "it is over, as it always was"
