"""Words of the house's own: one word for a whole scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import pass_

from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone
from housecarl.testing.plug import SimulatedPlug

pytestmark = pytest.mark.long(after=3)


@pytest.fixture
def porch() -> Any:
    with SimulatedPlug(alias="porch", relay=False) as simulated:
        yield simulated


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock, plug: SimulatedPlug, porch: SimulatedPlug) -> Any:
    plugs = {
        "lamp": {"host": plug.host, "port": plug.port},
        "porch": {"host": porch.host, "port": porch.port},
    }
    aliases = {
        "night": ["plug lamp off", "plug porch on"],
        "only": "plug $1 on",
        "up": "uptime",
        "ping": "plug all off",
        "broken": "plgu lamp on",
        "damaged": f"plug {'lamp ' * 101}on",
    }
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["uptime"]},
    }
    modules = {"plug": {"plugs": plugs}}
    with TestHouse(tmp_path, people, modules, clock, aliases=aliases) as house:
        yield house


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_one_word_is_a_whole_scene(phone: Phone, plug: SimulatedPlug, porch: SimulatedPlug) -> None:
    phone.text("!Night")
    assert phone.reply.startswith("lamp off. ")
    assert (plug.relay, porch.relay) == (False, True)


def test_an_alias_takes_words(phone: Phone, plug: SimulatedPlug) -> None:
    phone.text("!only lamp")
    assert phone.reply.startswith("lamp on. ")
    assert plug.relay


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("!night now", "night takes no words after it."),
        ("!only", "only takes 1 word after it."),
        ("!help night", "night does: plug lamp off; plug porch on."),
        ("!help !Night", "Night does: plug lamp off; plug porch on."),
    ],
)
def test_an_alias_says_how_it_is_used(phone: Phone, text: str, told: str) -> None:
    phone.text(text)
    assert phone.reply == told


def test_an_alias_gives_nobody_a_right_and_tells_nobody_what_it_does(
    house: TestHouse, porch: SimulatedPlug
) -> None:
    bo = house.phone("bo")
    for text in ("!night", "!help night", "!in 20m night"):
        bo.text(text)
        assert bo.reply == "No command night. !help lists them."
    assert not porch.relay


def test_help_lists_the_aliases_of_which_a_person_may_use_all(house: TestHouse) -> None:
    """What is wrong with one, who may everything hears when they use it."""
    ann, bo = house.phone("ann"), house.phone("bo")
    bo.text("!help")
    assert bo.reply == "Commands: uptime, up. !help NAME tells more."
    bo.text("!up")
    assert bo.reply.startswith("Elm Street up ")
    ann.text("!help")
    assert ", broken, damaged, night, only, up. " in ann.reply
    ann.text("!broken")
    assert ann.reply == "No command plgu. Did you mean plug? !help lists them."
    ann.text("!damaged")
    assert ann.reply == "plug: over 100 words. Nothing was done."


def test_a_command_goes_before_an_alias_of_its_name_in_help_too(phone: Phone) -> None:
    phone.text("!help ping")
    assert phone.reply.startswith("ping HOST - ")


def test_a_scene_is_done_later_as_if_it_were_texted_then(
    phone: Phone, house: TestHouse, clock: FakeClock, plug: SimulatedPlug, porch: SimulatedPlug
) -> None:
    phone.text("!in 20m Night")
    assert phone.reply == "Job 1: 12:20 Night."
    phone.text("!every day 12:30 only lamp")
    assert phone.reply == "Job 2: every day 12:30 only lamp."
    phone.text("!in 20m only")
    assert phone.reply == "only takes 1 word after it."
    pass_(house, clock, 1200)
    assert phone.reply.startswith("lamp off. ")
    assert (plug.relay, porch.relay) == (False, True)
    pass_(house, clock, 600)
    assert phone.reply.startswith("lamp on. ")
    assert plug.relay
