"""What a plug of the Kasa generation may answer, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest

from housecarl.plugs import energy, wire
from housecarl.plugs.device import Device, Look
from housecarl.plugs.meter import Reading
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.wire import PlugRefused, PlugSilent, PlugUnclear
from housecarl.testing.plug import SimulatedPlug

SENSELESS = r"^lamp gives an answer that makes no sense\.$"
#: a plug that answers the same to whatever it is asked, and how it is asked
Answering = Callable[[Any], tuple[SimulatedPlug, Device]]


def at(plug: SimulatedPlug) -> Device:
    return Device("lamp", PlugAddress(host=plug.host, port=plug.port))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    with ExitStack() as stack:

        def start(answer: Any) -> tuple[SimulatedPlug, Device]:
            plug = SimulatedPlug()
            monkeypatch.setattr(plug.device, "answer", lambda _: json.dumps(answer).encode())
            stack.enter_context(plug)
            return plug, at(plug)

        yield start


def sysinfo(**changed: Any) -> dict[str, Any]:
    return {"get_sysinfo": SimulatedPlug().device.sysinfo() | changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "IOT.SMARTBULB"},
        {"type": ""},
        {"relay_state": None, "children": [{"state": 1}, {"state": 0}]},
        {"relay_state": 2},
    ],
    ids=["a bulb", "nothing it names", "a strip", "no relay's state"],
)
async def test_what_is_no_single_plug_is_told(
    answering: Answering, changed: dict[str, Any]
) -> None:
    _, lamp = answering({"system": sysinfo(**changed)})
    with pytest.raises(PlugUnclear, match=r"^lamp answers, but is not a single plug\.$"):
        await lamp.identity()


@pytest.mark.parametrize("answer", [{"system": "ok"}, {"system": {"set_relay_state": 1}}, {}])
async def test_an_answer_without_what_was_asked_is_no_yes(
    answering: Answering, answer: dict[str, Any]
) -> None:
    _, lamp = answering(answer)
    with pytest.raises(PlugUnclear, match=SENSELESS):
        await lamp.switch(True)


async def test_a_whole_part_that_a_plug_does_not_have_is_a_refusal() -> None:
    """Its meter then gives no reading, rather than an error or a zero."""
    with SimulatedPlug(emeter="none") as plug:
        with pytest.raises(PlugRefused, match=r"^lamp refused: module not support \(-1\)\.$"):
            wire.member("lamp", await at(plug).ask({"dimmer": {"get_it": {}}}), "dimmer", "get_it")
        assert await at(plug).readings(2, pause=0.0) == [Reading(None), Reading(None)]


async def test_a_host_that_cannot_even_be_looked_up_cannot_be_reached() -> None:
    lamp = Device("lamp", PlugAddress(host="no..host"))
    with pytest.raises(PlugSilent, match=r"^lamp cannot be reached\.$") as caught:
        await lamp.identity()
    assert not caught.value.sent


OTHER_DAY = {"year": 2026, "month": 1, "day": 30, "energy": 7.0}


@pytest.mark.parametrize(
    ("days", "kwh"),
    [
        ([OTHER_DAY, {"year": 2026, "month": 1, "day": 31, "energy": 0.5}], 0.5),
        ([OTHER_DAY], None),
        ([{"year": 2025, "month": 1, "day": 31, "energy": 9.0}], None),
        ([{"year": 2026, "month": 1, "day": 31, "energy": 1e308}], None),
        ([], None),
        (None, None),
        (7, None),
    ],
)
async def test_a_plug_still_in_last_month_is_asked_for_the_day_it_has(
    answering: Answering, days: Any, kwh: float | None
) -> None:
    """Its days are its own: near midnight, or with a wrong clock, they are others than ours."""
    plug, lamp = answering(
        {
            "system": sysinfo(),
            "time": {"get_time": {"year": 2026, "month": 1, "mday": 31}},
            "emeter": {"get_realtime": {"power": 43.0}, "get_daystat": {"day_list": days}},
        }
    )
    look = await lamp.look(date(2026, 2, 1))
    assert look == Look(look.identity, Reading(43.0), kwh)
    assert plug.served == 2


async def test_a_plug_whose_clock_tells_no_date_counts_by_our_days(answering: Answering) -> None:
    plug, lamp = answering(
        {
            "system": sysinfo(),
            "time": {"get_time": {"year": 10**12, "month": 1, "mday": 1}},
            "emeter": {"get_realtime": {"power": 43.0}, "get_daystat": {"day_list": [OTHER_DAY]}},
        }
    )
    assert (await lamp.look(date(2026, 1, 30))).today_kwh == 7.0


async def test_a_week_over_the_end_of_a_month_asks_for_both(answering: Answering) -> None:
    """What is no day, no energy, another year or still to come is left out, the rest in order."""
    plug, lamp = answering(
        {
            "emeter": {
                "get_daystat": {
                    "day_list": [
                        {"year": 2026, "month": 3, "day": 2, "energy": 0.25},
                        {"year": 2026, "month": 3, "day": 3, "energy": 8.0},
                        {"year": 2026, "month": 2, "day": 28, "energy_wh": 500},
                        {"year": 2026, "month": 2, "day": 30, "energy": 1.0},
                        {"year": 2026, "month": 2, "day": 27, "energy": -1.0},
                        {"year": 2026, "month": 2, "day": 26},
                        {"month": 2, "day": 25, "energy": 1.0},
                        {"year": 10**12, "month": 2, "day": 24, "energy": 1.0},
                        {"year": 2026, "month": 2, "day": 24, "energy": 10**400},
                    ]
                }
            }
        }
    )
    history = await energy.history(lamp, date(2026, 3, 2))
    assert history.days == ((date(2026, 2, 28), 0.5), (date(2026, 3, 2), 0.25))
    assert history.since(date(2026, 3, 1)) == [(date(2026, 3, 2), 0.25)]
    assert plug.served == 2
