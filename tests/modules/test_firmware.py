"""Behaviour of the firmware command against simulated plugs, image files and real HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl import Call, CommandError, module_settings
from housecarl.module import SPEC, Risk
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import TEST_KEY, make_image

from .conftest import Commands, sms

Make = Callable[..., SimulatedPlug]

HW_ID = "60FF6B258734EA6880E186F8C96DDC61"
OLD = "1.1.1 Build 160725 Rel.164033"
NEW = "1.2.3 Build 170508 Rel.162000"
FILE = "hs110v1_us_1.2.3_Build_170508_Rel.162000_2017-05-26_18.06.53.bin"
SIZE = 204_800
#: real seconds a second of plug and house takes
PACE = 0.005
#: what the plugs announce, in their seconds; a third of what real ones need
TIMES = {"flash_time": 22, "reboot_time": 7}


@pytest.fixture
def house(load: Callable[[str], Commands], tmp_path: Path) -> Commands:
    return load("firmware")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A firmware folder with one good image for the plug of the post."""
    put(tmp_path)
    return tmp_path


@pytest.fixture
def make(house: Commands, folder: Path) -> Iterator[Make]:
    """Start a plug and put it into the house as lamp."""
    with ExitStack() as stack:

        def start(settings: dict[str, Any] | None = None, **options: Any) -> SimulatedPlug:
            options = {
                "scale": PACE,
                "sw_ver": OLD,
                "hw_id": HW_ID,
                "watts": 61.0,
                **TIMES,
                **options,
            }
            plug = stack.enter_context(SimulatedPlug(**options))
            address = {"host": plug.host, "port": plug.port, "max_watts": 1875}
            values = {"folder": folder, "pace": PACE, "plugs": {"lamp": address}}
            house.set(**(values | (settings or {})))
            return plug

        yield start


def put(
    folder: Path, file: str = FILE, version: str = NEW, hw_id: str = HW_ID, **options: Any
) -> bytes:
    image = make_image([hw_id], version, options.pop("size", SIZE), readable=False, **options)
    (folder / file).write_bytes(image)
    return image


def describe(folder: Path, file: str, image: bytes, **values: str) -> None:
    """Write a manifest with one entry."""
    entry = {"model": "HS110(US)", "hardware": "1.0", "version": NEW, **values}
    entry = {"file": file, "sha256": hashlib.sha256(image).hexdigest(), **entry}
    lines = "\n  ".join(f'{key}: "{value}"' for key, value in entry.items())
    (folder / "manifest.yaml").write_text(f"- {lines}\n")


async def flash(house: Commands) -> str:
    """Order a flash; the verdict."""
    assert await house.text("firmware", "lamp", "flash") == (
        "Flashing lamp. Do not unplug. Result in about 3 min."
    )
    verdict = sms(await house.hand.later())
    await asyncio.gather(*house.hand.work)
    assert await house.hand.store.get("flash") is None, "the flash is written down as ended"
    return verdict


async def refusal(house: Commands, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        await house.run("firmware", *words)
    return str(caught.value)


async def question(house: Commands, *words: str) -> str:
    call = Call("firmware", words, settings=house.settings, house=house.house, means=house.hand)
    plug, action, file = (*words, "", "", "")[:3]
    args = SimpleNamespace(call=call, plug=plug, action=action, file=file)
    return str(await getattr(house.module.firmware, SPEC).confirm(args))


async def test_looking_tells_what_is_ready(house: Commands, make: Make) -> None:
    make()
    assert await house.text("firmware", "lamp") == (
        "lamp HS110(US) 1.0 runs 1.1.1. File 1.2.3 is ready. To flash: !firmware lamp flash"
    )


async def test_the_files_are_listed(house: Commands, make: Make, folder: Path) -> None:
    make()
    assert await house.text("firmware") == "1.2.3 for HS110(US) 1."
    put(folder, "unknown.bin")
    (folder / "page.bin").write_bytes(b"<html>" * 30_000)
    assert await house.text("firmware") == (
        "1.2.3 for HS110(US) 1; unknown.bin tells no version; describe it in the manifest"
        " and 1 more."
    )


async def test_a_flash_is_asked_about_after_every_check(house: Commands, make: Make) -> None:
    plug = make()
    assert (
        await question(house, "lamp", "flash")
        == "Flash lamp 1.1.1 to 1.2.3? It goes off for 2 min."
    )
    assert plug.asked("download_firmware") == plug.asked("flash_firmware") == 0


async def test_a_check_changes_nothing(house: Commands, make: Make) -> None:
    plug = make()
    assert await house.text("firmware", "lamp", "check") == (
        "lamp can be flashed 1.1.1 to 1.2.3. Signature not checked."
    )
    assert plug.asked("download_firmware") == plug.asked("set_relay_state") == 0


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


async def test_a_wrong_bit_is_found_before_with_the_vendor_key(
    house: Commands, make: Make, folder: Path
) -> None:
    (folder / "vendor.key").write_text(f"{TEST_KEY.modulus:0256x}\n")
    plug = make({"key": folder / "vendor.key"})
    assert await house.text("firmware", "lamp", "check") == (
        "lamp can be flashed 1.1.1 to 1.2.3. Signature good."
    )
    image = bytearray(put(folder))
    image[100_000] ^= 4
    (folder / FILE).write_bytes(image)
    assert (await refusal(house, "lamp", "flash")).endswith(
        " is not signed by the vendor. Nothing was done."
    )
    assert plug.asked("download_firmware") == 0


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"hw_id": "A" * 32}, "lamp: {} is for other hardware than this HS110(US) 1.0"),
    ({"sw_ver": NEW}, "lamp: already runs 1.2.3"),
    ({"sw_ver": "1.3.0 Build 1 Rel.2"}, "lamp: runs 1.3.0, 1.2.3 would be older"),
    ({"model": "HS110(EU)"}, "lamp: {} is for HS110(US), this is HS110(EU)"),
    ({"hw_ver": "2.0"}, "lamp: {} is for hardware 1, this is 2.0"),
    ({"rssi": -80}, "lamp: its Wi-Fi is too weak (-80 dBm)"),
    ({"fault": "busy"}, "lamp: another update is running on it"),
    ({"watts": 900.0}, "lamp: it carries 900 W; switch off what is plugged in"),
]


@pytest.mark.parametrize(("nature", "why"), UNFIT, ids=[one[1][6:30] for one in UNFIT])
async def test_what_does_not_fit_is_never_sent(
    house: Commands, make: Make, nature: dict[str, Any], why: str
) -> None:
    plug = make(**nature)
    expected = f"{why.format(FILE[:40])}. Nothing was done."
    assert await refusal(house, "lamp", "flash") == expected
    assert await refusal(house, "lamp", "check") == expected
    with pytest.raises(CommandError, match=re.escape(expected)):
        await question(house, "lamp", "flash")
    changing = ("download_firmware", "flash_firmware", "set_relay_state", "reboot")
    assert not any(plug.asked(member) for member in changing)
    assert await house.hand.store.get("flash") is None


async def test_a_version_that_locks_out_hardware_4_1_is_refused(
    house: Commands, make: Make, folder: Path
) -> None:
    describe(folder, FILE, put(folder), hardware="4.1")
    make(hw_ver="4.1", profile="rtl")
    assert await refusal(house, "lamp", "flash") == (
        "lamp: 1.2.3 would lock us out of hardware 4.1 for good. Nothing was done."
    )


async def test_a_file_that_is_not_the_manifests_is_refused(
    house: Commands, make: Make, folder: Path
) -> None:
    describe(folder, FILE, b"something else")
    make()
    assert await refusal(house, "lamp", "flash", FILE) == (
        f"lamp: {FILE[:40]} is not the file of the manifest: its sha256 differs. Nothing was done."
    )


async def test_a_file_without_a_version_is_refused(
    house: Commands, make: Make, folder: Path
) -> None:
    put(folder, "mystery.bin")
    make()
    assert await refusal(house, "lamp", "flash", "mystery.bin") == (
        "lamp: mystery.bin tells no version; describe it in the manifest. Nothing was done."
    )


@pytest.mark.parametrize("file", ["../secret.bin", "/etc/passwd", ".hidden.bin", "none.bin"])
async def test_a_file_outside_the_folder_is_not_there(
    house: Commands, make: Make, file: str
) -> None:
    make()
    assert await refusal(house, "lamp", "flash", file) == (
        "lamp: there is no such firmware file. Nothing was done."
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>" * 30_000, "is not a TP-Link firmware image"),
        (b"x" * 1000, "has 1000 bytes: no firmware image"),
        (b"x" * 4_194_305, "has 4194305 bytes: no firmware image"),
    ],
)
async def test_what_is_no_image_is_refused(
    house: Commands, make: Make, folder: Path, content: bytes, why: str
) -> None:
    (folder / "page.bin").write_bytes(content)
    make()
    expected = f"lamp: page.bin {why}. Nothing was done."
    assert await refusal(house, "lamp", "flash", "page.bin") == expected


async def test_no_folder_and_no_file_are_said(house: Commands, make: Make, folder: Path) -> None:
    (folder / FILE).unlink()
    make()
    assert await house.text("firmware") == "No firmware files here."
    assert await house.text("firmware", "lamp") == (
        "lamp HS110(US) 1.0 runs 1.1.1. No file for it is here."
    )
    make({"folder": None})
    expected = "No firmware folder in the config: modules: firmware: folder:."
    assert await refusal(house, "lamp", "flash") == expected


async def test_one_flash_at_a_time(house: Commands, make: Make) -> None:
    plug = make()
    await house.text("firmware", "lamp", "flash")
    assert await refusal(house, "lamp", "flash") == (
        "lamp is being flashed to 1.2.3. Do not unplug."
    )
    assert await house.text("firmware", "lamp") == "lamp is being flashed to 1.2.3. Do not unplug."
    await house.hand.later()
    assert plug.asked("download_firmware") == 1


async def test_the_plugs_come_from_the_section_of_plug(house: Commands) -> None:
    sections = {"plug": {"plugs": {"lamp": "192.168.1.41"}}, "firmware": {"max_load": 5}}
    given = module_settings.lent(house.module, "firmware", sections)
    assert given == {"max_load": 5, "plugs": {"lamp": "192.168.1.41"}}
    own = {"firmware": {"plugs": {"fan": "192.168.1.42"}}, "plug": sections["plug"]}
    assert module_settings.lent(house.module, "firmware", own) == own["firmware"]
    assert module_settings.lent(house.module, "firmware", {}) is None


async def test_a_flash_is_a_danger_and_the_rest_looks(house: Commands) -> None:
    rule = getattr(house.module.firmware, SPEC).risk
    assert rule(SimpleNamespace(action="flash")) is Risk.DANGER
    assert rule(SimpleNamespace(action="check")) is rule(SimpleNamespace(action=None)) is Risk.LOOK
