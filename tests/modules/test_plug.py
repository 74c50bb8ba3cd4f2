"""Behaviour of the plug command against simulated plugs on loopback."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.module import SPEC, Risk
from housecarl.testing.plug import SimulatedPlug

from .conftest import Commands, sms

Make = Callable[..., SimulatedPlug]


@pytest.fixture
def house(load: Callable[[str], Commands]) -> Commands:
    return load("plug")


@pytest.fixture
def make(house: Commands) -> Iterator[Make]:
    """Start a plug and put it into the house under its alias."""
    addresses: dict[str, Any] = {}
    with ExitStack() as stack:

        def start(alias: str, max_watts: float | None = None, **options: Any) -> SimulatedPlug:
            made = stack.enter_context(SimulatedPlug(alias=alias, **options))
            addresses[alias] = {"host": made.host, "port": made.port, "max_watts": max_watts}
            house.set(plugs=addresses, recheck=0.0)
            return made

        yield start


async def refusal(house: Commands, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        await house.run("plug", *words)
    return str(caught.value)


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
