"""A house whose plugs are simulated ones on loopback."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.testing.plug import SimulatedPlug

from ..conftest import Commands

Make = Callable[..., SimulatedPlug]


@pytest.fixture
def house(load: Callable[[str], Commands]) -> Commands:
    # the first use loads it, half a second that the short patience of these tests has not
    importlib.import_module("kasa")
    return load("plug")


@pytest.fixture
def make(house: Commands) -> Iterator[Make]:
    """Start a plug and put it into the house under its alias."""
    addresses: dict[str, Any] = {}
    with ExitStack() as stack:

        def start(alias: str, max_watts: float | None = None, **options: Any) -> SimulatedPlug:
            made = stack.enter_context(SimulatedPlug(alias=alias, **options))
            addresses[alias] = {"host": made.host, "port": made.port, "max_watts": max_watts}
            house.set(plugs=addresses, recheck=0.0, patience=0.4)
            return made

        yield start


async def refusal(house: Commands, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        await house.run("plug", *words)
    return str(caught.value)
