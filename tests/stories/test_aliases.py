"""Words of the house's own: one word for a whole scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone
from housecarl.testing.plug import SimulatedPlug


@pytest.fixture
def porch() -> Any:
    with SimulatedPlug(alias="porch", relay=False) as simulated:
        yield simulated


@pytest.fixture
def house(tmp_path: Path, plug: SimulatedPlug, porch: SimulatedPlug) -> Any:
    plugs = {
        "lamp": {"host": plug.host, "port": plug.port},
        "porch": {"host": porch.host, "port": porch.port},
    }
    aliases = {"night": ["plug lamp off", "plug porch on"], "only": "plug $1 on"}
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["uptime"]},
    }
    with TestHouse(tmp_path, people, {"plug": {"plugs": plugs}}, aliases=aliases) as house:
        yield house


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
    ],
)
def test_an_alias_says_how_it_is_used(phone: Phone, text: str, told: str) -> None:
    phone.text(text)
    assert phone.reply == told


def test_an_alias_gives_nobody_a_right(house: TestHouse, porch: SimulatedPlug) -> None:
    bo = house.phone("bo")
    bo.text("!night")
    assert bo.reply == "No command plug. !help lists them."
    assert not porch.relay
