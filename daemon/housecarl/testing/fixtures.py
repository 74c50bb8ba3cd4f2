"""pytest fixtures for module authors: `house`, `phone` and `plug`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from housecarl.testing.house import TestHouse
    from housecarl.testing.phone import Phone
    from housecarl.testing.plug import SimulatedPlug


@pytest.fixture
def house_config() -> dict[str, Any]:
    """Override to change the house: `people`, `modules`, its `clock`, any other top-level key."""
    return {}


@pytest.fixture
def house(
    tmp_path: Path, house_config: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[TestHouse]:
    """The real daemon on loopback; with the `plug` fixture its lamp is that plug."""
    from housecarl.testing.house import TestHouse

    modules = dict(house_config.get("modules", {}))
    if "plug" in request.fixturenames:
        plug: SimulatedPlug = request.getfixturevalue("plug")
        lamp = {"host": plug.host, "port": plug.port}
        modules.setdefault("plug", {"plugs": {"lamp": lamp}})
    rest = {key: value for key, value in house_config.items() if key != "modules"}
    with TestHouse(tmp_path, modules=modules, **rest) as opened:
        yield opened


@pytest.fixture
def phone(house: TestHouse) -> Phone:
    """The phone of the house's first person."""
    return house.phone(next(iter(house.people)))


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    """A simulated HS110, switched off."""
    from housecarl.testing.plug import SimulatedPlug

    with SimulatedPlug(alias="lamp", relay=False) as simulated:
        yield simulated
