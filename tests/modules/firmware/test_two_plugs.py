"""Two flashes at a time: the second waits, whichever generation the plugs are of."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.testing.plug import SimulatedPlug

from ..conftest import Commands
from .conftest import FILE, FLASHED, NEW, OLD, PROFILES, Make, describe


@pytest.fixture(params=["v1", "v2", "rtl"])
def fan(request: pytest.FixtureRequest, house: Commands, make: Make, folder: Path) -> Any:
    """A second plug, which takes the same file; the first is lamp. Both are of one generation."""
    kind = PROFILES[request.param]
    describe(folder, FILE, (folder / FILE).read_bytes(), hardware=kind["hw_ver"])
    with SimulatedPlug(sw_ver=OLD, mac="50:C7:BF:01:02:04", **kind) as plug:

        def both() -> tuple[SimulatedPlug, SimulatedPlug]:
            lamp = make(**kind)
            plugs = {name: vars(one) for name, one in house.settings.plugs.items()}
            plugs["fan"] = {"host": plug.host, "port": plug.port}
            house.set(**dict(house.settings) | {"plugs": plugs})
            return lamp, plug

        yield both


@pytest.mark.long(after=1)
async def test_a_second_plug_waits_for_the_first(house: Commands, fan: Any) -> None:
    """One flash at a time over all; whoever asks for another is told which one runs."""
    lamp, other = fan()
    await house.text("firmware", "lamp", "flash")
    for words in (("fan", "flash"), ("lamp", "flash")):
        with pytest.raises(CommandError) as caught:
            await house.run("firmware", *words)
        assert str(caught.value) == "lamp is being flashed to 1.2.3. Do not unplug."
    assert re.fullmatch(FLASHED, (await house.hand.later()).text)
    assert (lamp.sw_ver, other.sw_ver, other.state) == (NEW, OLD, "up")
    assert lamp.device.update.flashes == 1 and other.device.asked == []


@pytest.mark.long(after=1)
async def test_two_asked_for_at_the_same_time_are_not_both_begun(house: Commands, fan: Any) -> None:
    lamp, other = fan()
    orders = (house.text("firmware", name, "flash") for name in ("lamp", "fan"))
    begun, refused = await asyncio.gather(*orders, return_exceptions=True)
    assert begun == "Flashing lamp. Do not unplug. Result in about 3 min."
    assert isinstance(refused, CommandError)
    assert str(refused) == "Another flash is running. One at a time."
    assert re.fullmatch(FLASHED, (await house.hand.later()).text)
    assert (lamp.sw_ver, other.sw_ver, other.relay) == (NEW, OLD, True)
    assert other.asked("download_firmware") == 0
