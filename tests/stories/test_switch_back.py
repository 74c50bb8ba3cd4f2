"""A plug that is on for minutes goes off again, unless somebody switches it in the meantime."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl.clock import UNSET_CLOCK
from housecarl.journal import jobs
from housecarl.plugs import switch_back
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone
from housecarl.testing.plug import SimulatedPlug

pytestmark = pytest.mark.long(after=2)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()  # a Monday, 12:00


@pytest.fixture
def one_clock(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's clock is the system's: here it is that of the house."""
    monkeypatch.setattr(switch_back, "time", SimpleNamespace(time=lambda: clock.now().timestamp()))


@pytest.fixture
def porch() -> Iterator[SimulatedPlug]:
    with SimulatedPlug(alias="porch", relay=False) as simulated:
        yield simulated


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock, plug: SimulatedPlug, porch: SimulatedPlug) -> Any:
    plugs = {
        "lamp": {"host": plug.host, "port": plug.port},
        "porch": {"host": porch.host, "port": porch.port},
    }
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["plug"], "until": "2026-11-23"},
    }
    with TestHouse(tmp_path, people, {"plug": {"plugs": plugs}}, clock) as house:
        yield house


def move(house: TestHouse, clock: FakeClock, minutes: float) -> None:
    """Move the clock in the house's own loop, as time does."""

    async def do() -> None:
        clock.move(minutes * 60)

    house.do(do())


def said(phone: Phone, text: str) -> str:
    phone.text(text)
    return phone.reply


def test_who_wants_it_for_longer_gets_it_for_longer(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    assert " Off again at " in said(phone, "!plug lamp on 30")
    move(house, clock, 10)
    assert " Off again at " in said(phone, "!plug lamp on 60")
    assert said(phone, "!jobs") == "Jobs: 2: 13:10 plug lamp off."
    move(house, clock, 59)
    house.settle()
    assert phone.silent and plug.relay
    move(house, clock, 1)
    assert phone.reply.startswith("lamp off. ")
    assert not plug.relay


def test_what_was_switched_off_and_on_again_stays_on(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    said(phone, "!plug lamp on 30")
    for state in ("off", "on"):
        move(house, clock, 10)
        said(phone, f"!plug lamp {state}")
    assert said(phone, "!jobs") == "No jobs."
    move(house, clock, 60)
    house.settle()
    assert phone.silent and plug.relay


def test_of_several_the_one_that_somebody_else_switched_is_left_alone(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug, porch: SimulatedPlug
) -> None:
    said(phone, "!plug lamp porch on 30")
    said(house.phone("bo"), "!plug lamp on")
    assert said(phone, "!jobs") == "Jobs: 1: 12:30 plug porch off."
    move(house, clock, 30)
    assert phone.reply.startswith("porch off. ")
    assert (plug.relay, porch.relay) == (True, False)


def test_to_look_at_it_changes_nothing(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    said(phone, "!plug lamp on 30")
    said(phone, "!plug lamp")
    move(house, clock, 30)
    assert phone.reply.startswith("lamp off. ")
    assert not plug.relay


def test_a_plug_that_was_not_switched_is_not_switched_back(
    phone: Phone, plug: SimulatedPlug
) -> None:
    plug.stop()
    assert said(phone, "!plug lamp on 30") == "lamp does not answer. Nothing was switched."
    assert said(phone, "!jobs") == "No jobs."


LOST = {
    "lost@switch": "It may have switched.",
    "lost@meter": "It was told to switch; how it stands is not known.",
}


@pytest.mark.parametrize("fault", LOST)
def test_a_plug_that_may_have_switched_is_switched_back(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug, fault: str
) -> None:
    """The answer to the order is lost, or the reading after it; the last word stays the last."""
    told = rf"lamp does not answer\. {LOST[fault]} Off again at \d\d:\d\d\."
    plug.device.faults.words[fault] = 0.0
    for minutes in (60, 30):
        assert re.fullmatch(told, said(phone, f"!plug lamp on {minutes}"))
        assert plug.relay
    assert said(phone, "!jobs") == "Jobs: 2: 12:30 plug lamp off."
    del plug.device.faults.words[fault]
    move(house, clock, 30)
    assert phone.reply.startswith("lamp off. ")
    assert not plug.relay


def test_what_was_cut_off_once_it_was_switched_is_not_undone_by_the_job_it_left(
    phone: Phone, plug: SimulatedPlug, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The house ended between the switch and what is done after it; later it was to stay on."""

    async def cut(*_: object) -> bool:
        raise RuntimeError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(switch_back, "replace", cut)
        said(phone, "!plug lamp on 30")
    assert plug.relay
    assert said(phone, "!jobs") == "Jobs: 1: 12:30 plug lamp off."
    said(phone, "!plug lamp on")
    assert said(phone, "!jobs") == "No jobs."


def test_what_was_cut_off_before_it_was_noted_what_is_to_switch_back_switches_nothing(
    phone: Phone,
    house: TestHouse,
    clock: FakeClock,
    plug: SimulatedPlug,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The house ended between the two; nobody who switches the plug then can know of that job."""

    async def cut(*_: object) -> None:
        raise RuntimeError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(switch_back, "_add", cut)
        said(phone, "!plug lamp on 30")
    assert not plug.relay
    said(phone, "!plug lamp on")
    move(house, clock, 30)
    assert phone.reply.startswith("lamp on. ")
    assert plug.relay


def test_the_job_ends_the_countdown_of_the_plug_which_ends_a_moment_later(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug, one_clock: None
) -> None:
    """Else it would undo what is switched on again in that moment."""
    assert said(phone, "!plug lamp on 30").endswith(" Off again at 12:30.")
    before = plug.asked("delete_all_rules")
    move(house, clock, 30)
    assert phone.reply.startswith("lamp off. ")
    assert plug.asked("delete_all_rules") > before


def test_who_will_not_be_obeyed_any_more_when_it_is_due_switches_nothing(
    house: TestHouse, plug: SimulatedPlug
) -> None:
    bo = house.phone("bo")
    told = "Your rights end before that. Nothing was switched."
    assert said(bo, "!plug lamp on 1440") == told
    assert not plug.relay
    assert " Off again at " in said(bo, "!plug lamp on 30")


def test_who_cancels_it_ends_the_countdown_of_the_plug_too(
    phone: Phone, plug: SimulatedPlug
) -> None:
    said(phone, "!plug lamp on 30")
    assert plug.device.sysinfo()["active_mode"] == "count_down"
    assert said(phone, "!cancel 1") == "Job 1 cancelled: 12:30 plug lamp off."
    assert plug.device.sysinfo()["active_mode"] == "none"
    assert plug.relay


def test_a_plug_that_may_go_on_counting_is_told_and_ended_by_whoever_switches_it(
    phone: Phone, plug: SimulatedPlug, porch: SimulatedPlug
) -> None:
    said(phone, "!plug lamp porch on 30")
    plug.device.faults.words["lost_reply"] = 0.0
    told = "Job 1 cancelled: 12:30 plug lamp porch off. lamp may still go off then: no answer."
    assert said(phone, "!cancel 1") == told
    assert porch.device.sysinfo()["active_mode"] == "none"
    del plug.device.faults.words["lost_reply"]
    before = plug.asked("delete_all_rules")
    said(phone, "!plug lamp on")
    assert plug.asked("delete_all_rules") > before


async def _broken(*_: object) -> None:
    raise ValueError("broken")


async def _leaving(*_: object) -> None:
    raise SystemExit


async def _silent(*_: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("broken", [_broken, _leaving, _silent])
def test_a_job_is_cancelled_whatever_breaks_in_what_goes_with_it(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Awaitable[None]]
) -> None:
    monkeypatch.setattr("housecarl.builtin.jobs.BESIDES_SECONDS", 0.05)
    said(phone, "!plug lamp on 30")
    monkeypatch.setattr(switch_back, "found", broken)
    told = "Job 1 cancelled: 12:30 plug lamp off. What goes with it may go on."
    assert said(phone, "!cancel 1") == told
    assert said(phone, "!jobs") == "No jobs."


def test_a_job_that_somebody_asked_for_is_cancelled_without_a_word_to_the_plug(
    phone: Phone, plug: SimulatedPlug
) -> None:
    said(phone, "!plug lamp on 30")
    before = plug.asked("delete_all_rules")
    said(phone, "!in 20m plug lamp off")
    assert said(phone, "!cancel 2") == "Job 2 cancelled: 12:20 plug lamp off."
    assert plug.asked("delete_all_rules") == before


def test_who_has_too_many_jobs_is_told_so_and_nothing_is_switched(
    phone: Phone,
    house: TestHouse,
    clock: FakeClock,
    plug: SimulatedPlug,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "MOST", 1)
    said(phone, "!in 2h uptime")
    told = "You have 1 jobs already. Cancel one first. Nothing was switched."
    assert said(phone, "!plug lamp on 30") == told
    assert not plug.relay
    said(phone, "!cancel 1")
    move(house, clock, 2)
    assert " Off again at " in said(phone, "!plug lamp on 30")


def test_a_job_that_is_due_and_still_waits_leaves_alone_what_was_switched_before_it(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug, one_clock: None
) -> None:
    """Nobody had set the clock when it was due; once it is set, the house looks within a minute."""
    said(phone, "!plug lamp on 30")
    clock.doubt()
    move(house, clock, 35)
    house.until(lambda: clock.next == clock.now() + UNSET_CLOCK)
    clock.doubt(False)
    said(house.phone("bo"), "!plug lamp on")
    assert said(phone, "!jobs") == "No jobs."
    move(house, clock, 1)
    house.settle()
    assert phone.silent and plug.relay


def test_one_that_was_taken_out_of_the_config_keeps_no_other_switched(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    """By its countdown a plug would end it itself, but not every plug has one."""
    said(phone, "!plug lamp porch on 30")
    house.stop()
    del house._modules["plug"]["plugs"]["porch"]
    house.start()
    move(house, clock, 30)
    assert phone.reply.startswith("No plug porch. Plugs: lamp. lamp off. ")
    assert not plug.relay
    assert said(phone, "!plug lamp porch on").startswith("No plug porch. ")
    assert not plug.relay


def test_what_its_name_is_taken_for_then_keeps_no_other_switched_either(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug
) -> None:
    """Two are called so by themselves, one is silent when it is asked how it is called."""
    said(phone, "!plug lamp porch on")
    said(phone, "!in 30m plug lamp porch off")
    house.stop()
    settings = house._modules["plug"]
    del settings["plugs"]["porch"]
    with (
        SimulatedPlug(alias="porch") as one,
        SimulatedPlug(alias="porch") as other,
        SimulatedPlug(fault="silent") as silent,
    ):
        made = {"one": one, "other": other, "silent": silent}
        settings["plugs"] |= {name: f"{each.host}:{each.port}" for name, each in made.items()}
        settings["patience"] = 1.5
        house.start()
        move(house, clock, 30)
        assert phone.reply.startswith("porch could be one or other. Say which. lamp off. ")
    assert not plug.relay


def test_another_plug_that_calls_itself_so_by_then_is_not_switched_in_its_place(
    phone: Phone, house: TestHouse, clock: FakeClock
) -> None:
    """A job means the plugs of the configuration that were switched; a text may mean an alias."""
    said(phone, "!plug porch on 30")
    house.stop()
    plugs = house._modules["plug"]["plugs"]
    del plugs["porch"]
    with SimulatedPlug(alias="porch") as desk:
        plugs["desk"] = f"{desk.host}:{desk.port}"
        house.start()
        move(house, clock, 30)
        assert phone.reply == "No plug porch. Plugs: desk, lamp."
        assert desk.relay
        assert said(phone, "!plug porch on").startswith("desk on. ")
