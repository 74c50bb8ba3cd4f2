"""Which readings of a meter can be true."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import pytest

from housecarl.plugs import meter
from housecarl.plugs.meter import Reading
from housecarl.plugs.sense import Memory, sense


def reading(watts: Any, volts: float = 121.0, amperes: float = 0.6) -> Reading:
    return Reading.read({"power": watts, "voltage": volts, "current": amperes, "total": 1.0})


def test_both_sets_of_units_are_told_apart_by_their_names() -> None:
    first = Reading.read({"current": 0.451, "voltage": 230.837, "power": 61.753, "total": 16.323})
    later = Reading.read(
        {"current_ma": 451, "voltage_mv": 230837, "power_mw": 61753, "total_wh": 16323}
    )
    assert first == later == Reading(61.753, 0.451, 230.837, 16.323)


@pytest.mark.parametrize(
    ("told", "on", "why"),
    [
        (reading(61.0), True, None),
        (reading(0), False, None),
        (reading(4.9), False, None),
        (reading(0.93, 231.0, 0.0149), True, None),
        (reading(28321.7), True, "reports 28322 W, over its 1875 W limit"),
        (reading(900.0), True, "reports 900 W, more than 121 V and 0.60 A can be"),
        (reading(900.0, 0.0, 0.0), True, None),
        (reading(40.0), False, "reports 40 W while it is off"),
        (reading(-3.0), True, "reports -3 W, less than nothing"),
        (reading(-0.2), True, "reports -0.2 W, less than nothing"),
        (reading(math.nan), True, "reports a power that is no number"),
        (reading(math.inf), True, "reports a power that is no number"),
        (reading(10**400), True, "reports a power that is no number"),
        (reading(1e308), True, "reports a power that is no number"),
        (reading("60"), True, "reports a power that is no number"),
        (reading(True), True, "reports a power that is no number"),
        (reading(60.0, amperes=40.0), True, "reports 40 A"),
        (reading(60.0, volts=400.0), True, "reports 400 V"),
        (reading(60.0, volts=math.inf), True, "reports a voltage that is no number"),
        (reading(60.0, amperes=math.nan), True, "reports a current that is no number"),
        (
            Reading.read({"power": 60.0, "power_mw": 60000}),
            True,
            "reports a power that is no number",
        ),
        (Reading(None), True, None),
        (reading(1875.0, 125.0, 15.0), True, None),
        (reading(5.0), False, None),
        (reading(60.0, 85.0, 0.8), True, None),
        (reading(60.0, 265.0), True, None),
        (reading(77.0), True, None),
        (reading(78.0), True, "reports 78 W, more than 121 V and 0.60 A can be"),
        (Reading(60.0), True, None),
        (Reading(60.0, amperes=0.1), True, None),
        (Reading(60.0, volts=121.0), True, None),
    ],
)
def test_a_reading_that_cannot_be_true_says_why(told: Reading, on: bool, why: str | None) -> None:
    assert meter.implausible(told, on, 1875.0) == why


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("HS110(UK)", reading(3060.0, 245.0, 12.5)),  # a kettle of 3 kW
        ("HS110(EU)", reading(3840.0, 240.0, 16.0)),
        ("HS110(AU)", reading(2450.0, 245.0, 10.0)),
        ("HS105(JP)", reading(1570.0, 105.0, 15.0)),
    ],
)
def test_what_a_socket_carries_on_strong_mains_is_believed(model: str, told: Reading) -> None:
    assert meter.implausible(told, True, meter.max_watts(model)) is None


@pytest.mark.parametrize(
    ("watts", "told"), [(0.0, "0 W"), (0.4, "0.4 W"), (9.9, "9.9 W"), (10.0, "10 W"), (43, "43 W")]
)
def test_tenths_of_a_watt_are_told_where_they_matter(watts: float, told: str) -> None:
    assert meter.shown(watts) == told


def test_all_bad_is_a_fault_and_some_bad_are_glitches() -> None:
    good, bad = reading(61.0), reading(28321.7)
    fault = meter.judge([bad, bad, bad], True, 1875.0)
    assert fault.fault == "reports 28322 W, over its 1875 W limit" and fault.glitches == 0
    glitch = meter.judge([bad, good, reading(59.0)], True, 1875.0)
    assert glitch.fault is None and glitch.glitches == 1 and glitch.reading == good


def test_a_reading_without_watts_is_no_reading_and_no_zero() -> None:
    nothing = Reading.read({"voltage": 121.0, "current": 0.6, "total": 1.0})
    assert nothing.watts is None
    assert meter.judge([nothing, nothing], True, 1875.0).watts is None
    assert meter.judge([nothing, nothing, reading(61.0)], True, 1875.0).watts == 61.0
    assert meter.judge([reading(28321.7)], True, 1875.0).watts is None, "nor is a wrong one"


def test_the_limit_is_the_configured_one_else_the_region_of_the_model() -> None:
    assert meter.max_watts("HS110(US)") == 1875
    assert meter.max_watts("HS110(EU)") == 4048
    assert meter.max_watts("HS110(US)", 600) == 600
    assert meter.max_watts("something else") == 4048


def test_that_a_counter_fell_is_found_until_the_end_of_the_next_day() -> None:
    """Longer than any quiet hours, in which it cannot be told, and not for ever."""
    day, good = date(2026, 11, 23), meter.Judgement(reading(61.0))
    before = sense(Memory(total_kwh=56.14), good, day)
    assert before.news == "reset" and before.memory.fell == pytest.approx(55.14)
    after = sense(before.memory, good, day + timedelta(days=1))
    assert after.news == "" and after.memory.resets == 1
    lately = [after.memory.fell_lately(day + timedelta(days=n)) for n in range(3)]
    assert lately == [True, True, False]


def test_a_counter_that_tells_one_impossible_number_did_not_fall_after_it() -> None:
    """Too much once, or less than nothing; then it goes on from where it was."""
    day, memory, news = date(2026, 11, 23), Memory(), list[str]()
    for total in (55.1, 1e6, 55.2, -4.0, 55.3, 0.0):
        sensed = sense(memory, meter.Judgement(Reading(61.0, total_kwh=total)), day)
        memory = sensed.memory
        news.append(sensed.news)
    assert news == ["", "", "", "", "", "reset"] and memory.fell == pytest.approx(55.3)


def test_a_counter_that_began_anew_twice_is_told_both_times() -> None:
    """It stood at 0 before too, but a number that is more than 0 need not be wrong for that."""
    day, memory, news = date(2026, 11, 23), Memory(), list[str]()
    for total in (55.1, 0.0, 0.3, 0.0):
        sensed = sense(memory, meter.Judgement(Reading(61.0, total_kwh=total)), day)
        memory = sensed.memory
        news.append(sensed.news)
    assert news == ["", "reset", "", "reset"] and memory.resets == 2


def test_what_was_remembered_of_a_meter_outlives_what_is_not_kept_any_more() -> None:
    """It stays wrong until it is well, and that its counter fell is still to be told."""
    kept = Memory(wrong=True, total_kwh=1.5, resets=2, fell=9.0, fell_on="2026-11-27", mac="AA")
    assert Memory.read(kept.stored() | {"glitches": 4}, "AA") == kept
    assert Memory.read(["wrong"], "AA") == Memory.read(None, "AA") == Memory(mac="AA")
