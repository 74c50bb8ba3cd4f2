"""How flashes end: each fault of a plug, the exact verdict, and the plug afterwards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Commands
from .conftest import FILE, NEW, OLD, Make, describe, flash, put, question, refusal


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
async def test_a_good_flash(
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


async def test_a_meter_that_stays_wrong_is_told(house: Commands, make: Make) -> None:
    plug = make(glitch_watts=28321.7, fault="meter_still_bad")
    assert (await flash(house)).endswith(
        " It was on and is on again. Its meter still reports 28322 W, over its 1875 W limit."
    )
    assert plug.sw_ver == NEW


FAILED = [
    ("fail@download:43", "lamp NOT flashed: download stopped at {}% (connection lost). {}", "up"),
    ("stall@download:43", "lamp NOT flashed: download stopped at {}% (timed out). {}", "up"),
    ("unreachable", "lamp NOT flashed: the plug could not fetch the file from here. {1}", "up"),
    (
        "truncate@download:9",
        "lamp NOT flashed: the plug refused the file: Firmware validate fail (-19). {1}",
        "up",
    ),
    ("refuse@flash:-20", "lamp NOT flashed: the plug refused the file: refused (-20). {1}", "up"),
    ("badboot", "lamp NOT flashed: it came back with 1.1.1, not 1.2.3. Working.", "up"),
    (
        "powerloss@flash:0.5",
        "lamp did not come back after 118 s. Do not unplug it for 5 min, then check it by hand.",
        "bricked",
    ),
    (
        "hang@reboot",
        "lamp did not come back after 118 s. Do not unplug it for 5 min, then check it by hand.",
        "down",
    ),
    (
        "imposter",
        "lamp is not the same device any more: another one answers at its address.",
        "up",
    ),
    (
        "vanish@download:50",
        "lamp NOT flashed: download stopped at {}% (no answer). "
        "It does not answer now; nothing was written to it.",
        "down",
    ),
]


@pytest.mark.parametrize(("fault", "expected", "state"), FAILED, ids=[one[0] for one in FAILED])
async def test_a_failed_flash_is_told_as_it_is(
    house: Commands, make: Make, fault: str, expected: str, state: str
) -> None:
    plug = make(fault=fault, rate=4_000_000)
    verdict = await flash(house)
    percent = (re.findall(r"(\d+)%", verdict) or ["0"])[0]
    assert verdict == expected.format(percent, "Still on 1.1.1, working.")
    assert plug.state == state
    assert plug.sw_ver == (NEW if fault == "imposter" else OLD)
    assert plug.asked("download_firmware") == 1 and plug.asked("flash_firmware") <= 1


@pytest.mark.parametrize(("profile", "hw_ver"), [("v2", "2.0"), ("rtl", "4.0")])
async def test_a_later_plug_that_drops_the_file_is_told(
    house: Commands, make: Make, folder: Path, profile: str, hw_ver: str
) -> None:
    image = bytearray(put(folder))
    image[-1] ^= 1
    (folder / FILE).write_bytes(image)
    describe(folder, FILE, bytes(image), hardware=hw_ver)
    plug = make(profile=profile, hw_ver=hw_ver)
    assert await flash(house) == (
        "lamp NOT flashed: the plug refused the file. Still on 1.1.1, working."
    )
    assert plug.sw_ver == OLD and plug.device.update.flashes == 0


async def test_a_wrong_bit_is_refused_by_the_plug(
    house: Commands, make: Make, folder: Path
) -> None:
    image = bytearray(put(folder))
    image[100_000] ^= 4
    (folder / FILE).write_bytes(image)
    plug = make()
    assert await flash(house) == (
        "lamp NOT flashed: the plug refused the file: Firmware validate fail (-19). "
        "Still on 1.1.1, working."
    )
    assert plug.sw_ver == OLD


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
