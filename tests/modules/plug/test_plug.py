"""Behaviour of the plug command against simulated plugs on loopback."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.means import words_of
from housecarl.module import SPEC, Call, House, Risk
from housecarl.plugs import wire
from housecarl.plugs.flash_log import StoreLog

from ..conftest import Commands
from .conftest import Make, refusal


async def test_on_is_read_back(house: Commands, make: Make) -> None:
    plug = make("lamp", relay=False)
    assert await house.text("plug", "lamp", "on") == "lamp on. 43 W now, 0.31 kWh today."
    assert plug.relay


async def test_off_is_read_back(house: Commands, make: Make) -> None:
    plug = make("lamp")
    assert await house.text("plug", "lamp", "off") == "lamp off. 0 W now, 0.31 kWh today."
    assert not plug.relay


async def test_looking_changes_nothing(house: Commands, make: Make) -> None:
    plug = make("lamp", emeter="v2")
    assert await house.text("plug", "lamp") == "lamp on. 43 W now, 0.31 kWh today."
    assert plug.asked("set_relay_state") == 0


async def test_toggle_switches_to_the_other_state(house: Commands, make: Make) -> None:
    plug = make("lamp")
    assert (await house.text("plug", "lamp", "toggle")).startswith("lamp off.")
    assert (await house.text("plug", "lamp", "toggle")).startswith("lamp on.")
    assert plug.relay


async def test_a_plug_without_meter_tells_its_state_only(house: Commands, make: Make) -> None:
    make("lamp", emeter="none", model="HS100(US)")
    assert await house.text("plug", "lamp", "on") == "lamp on."


async def test_a_plug_of_later_hardware_is_the_same_to_the_sender(
    house: Commands, make: Make
) -> None:
    plug = make("lamp", relay=False, hw_ver="4.0", profile="rtl", emeter="v2", keep_open=True)
    assert await house.text("plug", "lamp", "on") == "lamp on. 43 W now, 0.31 kWh today."
    assert plug.relay


@pytest.mark.parametrize(
    "manner",
    [
        {"segment": 7},
        {"zero_header": True},
        {"zero_header": True, "segment": 300},
        {"delay": 0.05},
    ],
)
async def test_odd_manners_of_honest_plugs_are_understood(
    house: Commands, make: Make, manner: dict[str, Any]
) -> None:
    plug = make("lamp", relay=False, **manner)
    house.set(**dict(house.settings) | {"patience": 5.0})  # a piece takes some milliseconds
    assert await house.text("plug", "lamp", "on") == "lamp on. 43 W now, 0.31 kWh today."
    assert plug.relay


@pytest.mark.parametrize("minutes", ["30", "0000030"])
async def test_on_for_minutes_is_scheduled_and_counted_down_by_the_plug(
    house: Commands, make: Make, minutes: str
) -> None:
    plug = make("lamp", relay=False, scale=0.0001)
    reply = await house.text("plug", "lamp", "on", minutes)
    assert re.fullmatch(r"lamp on\. 43 W now, 0\.\d\d kWh today\. Off again at \d\d:\d\d\.", reply)
    assert house.hand.jobs == [(timedelta(minutes=30), "!plug lamp off")]
    end = time.monotonic() + 5
    while plug.relay and time.monotonic() < end:
        await house.text("plug", "lamp")
    assert not plug.relay, "the plug's own countdown switches it off"


async def test_a_plug_of_two_words_is_switched_back_by_its_name(
    house: Commands, make: Make
) -> None:
    make("bo's lamp", relay=False)
    await house.run("plug", "bo's lamp", "on", "30")
    ((_, text),) = house.hand.jobs
    assert words_of(text) == ("plug", "bo's lamp", "off")


async def test_a_day_is_the_longest_that_a_plug_may_be_on_for_minutes(
    house: Commands, make: Make
) -> None:
    make("lamp", relay=False)
    assert " Off again at " in await house.text("plug", "lamp", "on", "1440")


async def test_a_plug_that_is_named_by_a_number_is_no_minutes(house: Commands, make: Make) -> None:
    make("lamp")
    make("30")
    assert await house.text("plug", "lamp", "30") == "lamp on, 30 on. 86 W in all."


async def test_one_that_said_yes_and_is_as_it_was_is_not_switched_back(
    house: Commands, make: Make
) -> None:
    make("lamp", relay=False, fault="relay_stuck")
    assert await refusal(house, "lamp", "on", "30") == "lamp said yes but is still off."
    assert house.hand.jobs == [(timedelta(minutes=30), "")]


async def test_a_mail_gets_a_table_of_one_plug_and_no_chart(house: Commands, make: Make) -> None:
    make("lamp")
    reply = await house.run("plug", "lamp")
    assert reply.rows == [
        ("lamp", "on"),
        ("Power", "43.0 W"),
        ("Voltage", "121.3 V"),
        ("Today", "0.31 kWh"),
        ("Device", "HS110(US) 1.0, firmware 1.1.1"),
        ("Signal", "-52 dBm"),
    ]
    assert not reply.bars


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("lmap", "on"), "No plug lmap. Did you mean lamp? Plugs: heater, lamp."),
        (("kitchen",), "No plug kitchen. Plugs: heater, lamp."),
        (("lamp", "onn"), "No plug onn. Did you mean on? Plugs: heater, lamp."),
        (("onn",), "No plug onn. Plugs: heater, lamp."),
        (("onn", "lamp"), "No plug onn. Plugs: heater, lamp."),
        (("attic", "cellar", "on"), "No plug attic. Plugs: heater, lamp."),
        (("Łódź", "on"), "No plug ??d?. Plugs: heater, lamp."),
        (
            ("lamp", "on", "30m"),
            "on comes last, or before minutes: !plug lamp on 30",
        ),
        (
            ("off", "lamp"),
            "off comes last, or before minutes: !plug lamp on 30",
        ),
        (("off",), "plug off: which plug? heater, lamp"),
        (("lamp", "toggle", "5"), "Minutes go with on or off, 1 to 1440: !plug lamp on 30"),
        (("lamp", "on", "0"), "Minutes go with on or off, 1 to 1440: !plug lamp on 30"),
        (("lamp", "on", "1441"), "Minutes go with on or off, 1 to 1440: !plug lamp on 30"),
        (("lamp", "on", "0" * 99), "Minutes go with on or off, 1 to 1440: !plug lamp on 30"),
        (("lamp", "on", "9999"), "Minutes go with on or off, 1 to 1440: !plug lamp on 30"),
    ],
)
async def test_a_wrong_word_switches_nothing(
    house: Commands, make: Make, words: tuple[str, ...], reply: str
) -> None:
    lamp, heater = make("lamp"), make("heater")
    assert await refusal(house, *words) == reply
    assert lamp.asked("set_relay_state") == heater.asked("set_relay_state") == 0


async def test_a_hint_is_written_as_this_house_writes_commands(house: Commands, make: Make) -> None:
    make("lamp")
    house.house = House(symbol="#", delimiter=",")
    assert (await refusal(house, "lamp", "on", "0")).endswith(": #plug,lamp,on,30")
    assert (await refusal(house, "off", "lamp")).endswith(": #plug,lamp,on,30")


@pytest.mark.parametrize("word", ["Living Lamp", "50:c7:bf:01:02:03", "50-C7-BF-01-02-03", "LAMP"])
async def test_alias_mac_and_name_mean_the_plug(house: Commands, make: Make, word: str) -> None:
    plug = make("lamp")
    plug.device.alias = "Living Lamp"
    assert await house.text("plug", word, "off") == "lamp off. 0 W now, 0.31 kWh today."


async def test_two_plugs_that_swapped_their_addresses_are_told_once(
    house: Commands, make: Make
) -> None:
    """What was switched is not what was meant; the reply must not hide that."""
    lamp, heater = make("lamp", relay=False), make("heater", mac="50:C7:BF:01:02:04", relay=False)
    for name in ("lamp", "heater"):
        assert (await house.text("plug", name)).startswith(f"{name} off. ")
    lamp.device.mac, heater.device.mac = heater.device.mac, lamp.device.mac
    assert await house.text("plug", "heater", "on") == (
        "heater on. 43 W now, 0.31 kWh today. Another plug than before answers as heater."
    )
    assert await house.text("plug", "all") == (
        "heater on, lamp off. 43 W in all. Another plug than before answers as lamp."
    )
    assert await house.text("plug", "all") == "heater on, lamp off. 43 W in all."
    lamp.device.mac = ""
    assert await house.text("plug", "lamp") == "lamp off. 0 W now, 0.31 kWh today.", "who knows"


async def test_no_plugs_in_the_config(house: Commands) -> None:
    expected = "No plugs in the config yet. Add one under modules: plug: plugs:."
    assert await refusal(house, "lamp", "on") == expected


FAULTS = {
    "silent": ("lamp does not answer. It may have switched.", False),
    "drip_reply": ("lamp does not answer. It may have switched.", False),
    "rst": ("lamp does not answer. It may have switched.", False),
    "lost_reply": ("lamp does not answer. It may have switched.", True),
    "garbage": ("lamp gives an answer that makes no sense. It may have switched.", False),
    "half_reply": ("lamp gives an answer that makes no sense. It may have switched.", False),
    "huge_reply": ("lamp gives an answer that makes no sense. It may have switched.", False),
    "empty_reply": ("lamp gives an answer that makes no sense. It may have switched.", False),
    "list_reply": ("lamp gives an answer that makes no sense. It may have switched.", False),
    "deep_reply": ("lamp gives an answer that makes no sense. It may have switched.", False),
    "relay_stuck": ("lamp said yes but is still off.", False),
}


@pytest.mark.long(after=4)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_plug_is_told_in_one_sentence_and_in_time(
    house: Commands, make: Make, fault: str
) -> None:
    reply, relay = FAULTS[fault]
    plug = make("lamp", relay=False, fault=fault)
    started = time.monotonic()
    assert await refusal(house, "lamp", "on") == reply
    assert plug.relay is relay
    assert time.monotonic() - started < 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("last", "reply"),
    [
        ("set_relay_state", r"It was told to switch; how it stands is not known\."),
        ("get_realtime", r"43 W now, 0\.31 kWh today\."),
    ],
)
async def test_one_that_falls_silent_once_it_is_switched_is_told_in_time(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch, last: str, reply: str
) -> None:
    """Before it is read back, or before it is told to count."""
    plug = make("lamp", relay=False)
    (members,) = (each for each in plug.device._modules.values() if last in each)
    answer = members[last]

    def fall_silent(args: dict[str, Any]) -> dict[str, Any]:
        plug.device.faults.words["silent"] = 0.0
        return answer(args)

    monkeypatch.setitem(members, last, fall_silent)
    started = time.monotonic()
    try:
        told = await house.text("plug", "lamp", "on", "30")
    except CommandError as error:
        told = str(error)
    assert re.fullmatch(rf"lamp .*\. {reply} Off again at \d\d:\d\d\.", told)
    assert plug.relay and time.monotonic() - started < 3


async def test_how_a_plug_of_another_month_stands_is_told_though_its_day_is_not(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut without the internet it is 2000 there; its day takes a second question."""
    plug = make("lamp", relay=False)
    modules = plug.device._modules
    answer = modules["emeter"]["get_realtime"]

    def go_away(args: dict[str, Any]) -> dict[str, Any]:
        plug.device.faults.words["rst"] = 0.0
        return answer(args)

    monkeypatch.setitem(
        modules["time"], "get_time", lambda _: {"year": 2000, "month": 1, "mday": 1}
    )
    monkeypatch.setitem(modules["emeter"], "get_realtime", go_away)
    assert await house.text("plug", "lamp", "on") == "lamp on. 43 W now."


async def test_who_does_not_say_how_it_stands_is_not_toggled(house: Commands, make: Make) -> None:
    """It was only asked, so nothing may have switched."""
    plug = make("lamp", fault="lost_reply")
    assert await refusal(house, "lamp", "toggle") == "lamp does not answer. Nothing was switched."
    assert plug.relay and plug.asked("set_relay_state") == 0


async def test_the_plug_counts_down_also_while_its_meter_is_read_again(
    house: Commands, make: Make
) -> None:
    """A meter that is wrong takes all the time there is; the second belt must not wait for it."""
    plug = make("lamp", relay=False, glitch_watts=28417.0)
    house.set(**dict(house.settings) | {"recheck": 2.0})
    assert " Off again at " in await house.text("plug", "lamp", "on", "30")
    assert plug.asked("add_rule") == 1


@pytest.mark.parametrize("state", ["on", "off"])
async def test_who_has_the_last_word_has_it_from_the_plugs_countdown_too(
    house: Commands, make: Make, state: str
) -> None:
    """Not all firmware forgets its countdown when the relay is set."""
    plug = make("lamp", relay=False, fault="countdown_stays")
    await house.text("plug", "lamp", "on", "30")
    assert plug.device.sysinfo()["active_mode"] == "count_down"
    await house.text("plug", "lamp", state)
    assert plug.device.sysinfo()["active_mode"] == "none"
    await house.text("plug", "lamp", state)
    assert plug.asked("delete_all_rules") == 2, "what others let it count is none of ours"


async def test_an_order_to_its_countdown_that_is_lost_once_is_given_again(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it switches at the former time, whatever the reply says of a later one, or of none."""
    plug = make("lamp", relay=False, fault="countdown_stays")
    await house.text("plug", "lamp", "on", "30")
    line, left = plug._line, [1]
    assert line is not None
    answer = line._answer

    def lossy(request: bytes) -> bytes | None:
        if b"count_down" in request and left:
            left.pop()
            return None
        return answer(request)

    monkeypatch.setattr(line, "_answer", lossy)
    await house.text("plug", "lamp", "on", "60")
    assert plug.device._countdown is not None and plug.device._countdown["delay"] == 3600
    left.append(1)
    await house.text("plug", "lamp", "on")
    assert plug.device._countdown is None


@pytest.mark.parametrize("words", [("on",), ("on", "60")])
async def test_a_countdown_of_before_that_may_go_on_is_told(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    plug = make("lamp", relay=False, fault="countdown_stays")
    first = await house.text("plug", "lamp", "on", "30")
    line = plug._line
    assert line is not None
    answer = line._answer
    monkeypatch.setattr(line, "_answer", lambda r: None if b"count_down" in r else answer(r))
    at = first.rpartition(" ")[2].rstrip(".")
    told = f" lamp may still go off at {at} by itself: no answer."
    assert (await house.text("plug", "lamp", *words)).endswith(told)
    with monkeypatch.context() as well:
        well.setattr(line, "_answer", answer)
        before = plug.asked("delete_all_rules")
        assert told not in await house.text("plug", "lamp", "on")
        assert plug.asked("delete_all_rules") > before, "whoever switches it next ends it"
    await house.text("plug", "lamp", "on", "30")
    assert await house.text("plug", "lamp", "off") == "lamp off. 0 W now, 0.31 kWh today."


@pytest.mark.long
async def test_no_plug_is_blamed_for_the_time_that_loading_python_kasa_takes(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds, once, on a small machine that is busy starting."""
    pauses = iter([0.5])

    async def load() -> None:
        await asyncio.sleep(next(pauses, 0))

    monkeypatch.setattr(wire, "load", load)
    make("lamp")
    assert await house.text("plug", "lamp") == "lamp on. 43 W now, 0.31 kWh today."


async def test_an_answer_lost_now_and_then_changes_nothing(house: Commands, make: Make) -> None:
    """Looking and setting the relay are asked once more; the reply is what was read back."""
    plug = make("lamp", relay=False, fault="lost_reply:2")
    assert await house.text("plug", "lamp") == "lamp off. 0 W now, 0.31 kWh today."
    for state in ("on", "off"):
        watts = "43 W" if state == "on" else "0 W"
        reply = await house.text("plug", "lamp", "toggle")
        assert reply == f"lamp {state}. {watts} now, 0.31 kWh today."
        assert plug.relay is (state == "on")


async def test_a_plug_that_is_gone_was_not_switched(house: Commands, make: Make) -> None:
    make("lamp").stop()
    assert await refusal(house, "lamp", "on") == "lamp does not answer. Nothing was switched."
    assert await refusal(house, "lamp") == ("lamp does not answer. Is it powered and on the Wi-Fi?")


async def test_the_28000_watt_meter_is_not_believed(house: Commands, make: Make) -> None:
    make("heater", max_watts=1875, glitch_watts=28417.0)
    assert await house.text("plug", "heater") == (
        "heater reports 28417 W, over its 1875 W limit: the meter is wrong. Try !firmware heater."
    )
    assert await house.text("plug", "heater", "off") == (
        "heater off. It reports 28417 W, over its 1875 W limit: the meter is wrong. "
        "Try !firmware heater."
    )


async def test_a_day_that_cannot_be_is_told_as_a_wrong_meter(house: Commands, make: Make) -> None:
    make("heater", max_watts=1875, today_kwh=7324.0)
    assert await house.text("plug", "heater") == (
        "heater counts 7324 kWh today, more than a day can hold: the meter is wrong. "
        "Try !firmware heater."
    )


async def test_one_glitch_is_left_out(house: Commands, make: Make) -> None:
    make("lamp", glitches=((0, 9800.0),))
    assert await house.text("plug", "lamp") == (
        "lamp on. 43 W now, 0.31 kWh today. 1 glitch ignored."
    )


async def test_a_power_that_is_no_number_is_told(house: Commands, make: Make) -> None:
    make("lamp", fault="nan_reply")
    assert await house.text("plug", "lamp") == (
        "lamp reports a power that is no number: the meter is wrong. Try !firmware lamp."
    )


def test_asking_looks_and_switching_changes(house: Commands) -> None:
    rule = getattr(house.module.plug, SPEC).risk

    def risk(*plugs: str, state: str | None = None) -> Risk:
        return Risk(rule(SimpleNamespace(call=Call("plug"), plugs=plugs, state=state)))

    assert risk("lamp") is Risk.LOOK
    assert risk("lamp", state="on") is Risk.CHANGE
    assert risk("lamp", "on", "30") is Risk.CHANGE
    assert risk("lamp", "OFF") is Risk.CHANGE


async def test_a_switch_asks_the_plug_no_more_than_it_must(house: Commands, make: Make) -> None:
    plug = make("lamp")
    await house.run("plug", "lamp", "on")
    plug.device.asked.clear()
    await house.run("plug", "lamp", "off")
    members = [member for _, member in plug.device.asked]
    assert members == ["set_relay_state", "get_sysinfo", "get_time", "get_realtime", "get_daystat"]


def test_kasa_is_not_imported_until_a_plug_is_asked() -> None:
    code = (
        "import sys; from housecarl.plugs import device, names, settings;"
        "sys.exit(any(name in sys.modules for name in ('kasa', 'aiohttp')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "left"),
    [(("on",), " Nothing was switched."), (("toggle",), " Nothing was switched."), ((), "")],
)
async def test_a_plug_that_is_being_flashed_is_not_asked(
    house: Commands, make: Make, words: tuple[str, ...], left: str
) -> None:
    lamp, heater = make("lamp", relay=False), make("heater", relay=False)
    log = StoreLog(house.hand.store.beside("firmware"))
    assert await log.claim("lamp", {"target": "1.2.3"})
    told = f"lamp is being flashed to 1.2.3; do not unplug it.{left}"
    assert await refusal(house, "lamp", *words) == told
    assert lamp.asked("get_sysinfo") == lamp.asked("set_relay_state") == 0
    if words:
        assert await house.text("plug", "lamp", "heater", "on") == f"{told} heater on. 43 W in all."
        assert heater.relay and not lamp.relay
    lamp.device.alias, heater.device.alias = "Floor Lamp", "Old Heater"
    assert (await house.text("plug", "Old Heater")).startswith("heater ")
    assert await refusal(house, "Floor Lamp") == (
        "No plug Floor Lamp. Plugs: heater, lamp. lamp is being flashed to 1.2.3; do not unplug it."
    )
    assert lamp.device.asked == [], "not for its alias either"
    await log.finish("lamp flashed", done=True)
    assert (await house.text("plug", "lamp", "on")).startswith("lamp on.")


async def test_a_plug_that_is_flashed_under_another_name_is_not_asked(
    house: Commands, make: Make
) -> None:
    """`modules: firmware: plugs:` may name the same plug otherwise, and by its name in DNS."""
    lamp = make("lamp", relay=False)
    log = StoreLog(house.hand.store.beside("firmware"))
    assert await log.claim("den", {"target": "1.2.3", "host": "localhost", "port": lamp.port})
    told = "lamp is being flashed to 1.2.3; do not unplug it. Nothing was switched."
    assert await refusal(house, "lamp", "on") == told
    assert lamp.device.asked == []
