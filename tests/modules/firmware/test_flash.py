"""How good flashes go on each generation, the plug of the post, and one at a time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Commands
from .conftest import FILE, NEW, Make, describe, flash, put, question, refusal


@pytest.mark.parametrize(
    "nature",
    [
        {"profile": "v1"},
        {"profile": "v1", "relay_after_boot": "off"},
        {"profile": "v1", "dark": True},
        {"profile": "v1", "fault": "late@flash:8"},
        {"profile": "v1", "rate": 2_000_000},
        {"profile": "v2", "hw_ver": "2.0", "emeter": "v2"},
        {"profile": "rtl", "hw_ver": "4.0", "emeter": "v2", "keep_open": True},
    ],
    ids=str,
)
async def test_a_good_flash_is_told_from_what_the_plug_then_reads(
    house: Commands, make: Make, folder: Path, nature: dict[str, Any]
) -> None:
    image = put(folder)
    describe(folder, FILE, image, hardware=nature.get("hw_ver", "1.0"))
    plug = make(**nature)
    verdict = await flash(house)
    assert re.fullmatch(
        r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d+ s\. It was on and is on again\. "
        r"Meter now reads 61 W\.",
        verdict,
    )
    assert plug.sw_ver == NEW and plug.relay and plug.state == "up"
    assert plug.asked("download_firmware") == 1 and plug.device.update.flashes == 1
    assert house.hand.fractions[-1] == 1.0
    assert house.hand.fractions == sorted(house.hand.fractions)


async def test_the_plug_of_the_post_gets_well(house: Commands, make: Make) -> None:
    plug = make(relay=False, glitch_watts=28321.7)
    assert await question(house, "lamp", "flash") == (
        "Flash lamp 1.1.1 to 1.2.3? It goes off for 2 min. "
        "Its meter is wrong, so its load is not known."
    )
    verdict = await flash(house)
    assert verdict.endswith(" s. It was off and is off again. Meter now reads 0 W.")
    assert plug.sw_ver == NEW and not plug.relay


async def test_one_flash_at_a_time(house: Commands, make: Make) -> None:
    plug = make()
    await house.text("firmware", "lamp", "flash")
    assert await refusal(house, "lamp", "flash") == (
        "lamp is being flashed to 1.2.3. Do not unplug."
    )
    told = "lamp is being flashed to 1.2.3. Do not unplug."
    for words in ((), ("lamp",), ("lamp", "check"), ("Living Lamp",)):
        assert await house.text("firmware", *words) == told
    await house.hand.later()
    assert plug.asked("download_firmware") == 1
