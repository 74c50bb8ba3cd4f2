"""Looking, checking and refusing: what the firmware command does before it sends anything."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl import CommandError, module_settings
from housecarl.config_words import Loc
from housecarl.errors import Problem
from housecarl.module import SPEC, Risk
from housecarl.plugs import manifest, preflight
from housecarl.plugs.device import Device
from housecarl.plugs.preflight import Rules
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import TEST_KEY

from ..conftest import Commands
from .conftest import FILE, NEW, OLD, SIZE, Make, describe, flash, put, question, refusal


async def test_looking_tells_what_is_ready(house: Commands, make: Make) -> None:
    make()
    assert await house.text("firmware", "lamp") == (
        "lamp HS110(US) 1.0 runs 1.1.1. File 1.2.3 is ready. To flash: !firmware lamp flash"
    )


async def test_what_a_version_without_numbers_is_older_than_is_not_guessed(
    house: Commands, make: Make
) -> None:
    make(sw_ver="beta 2")
    assert await house.text("firmware", "lamp") == (
        "lamp HS110(US) 1.0 runs beta 2. No newer file is here."
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


NEWER = "1.3.0 Build 180101 Rel.162000"


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("a newer file", "you were asked about 1.2.3, but 1.3.0 is ready now"),
        ("another file", "the file of 1.2.3 is another one than when you were asked"),
        ("another plug", "another plug answers at its address than when you were asked"),
    ],
)
async def test_what_was_not_asked_about_is_not_flashed(
    house: Commands, make: Make, folder: Path, change: str, why: str
) -> None:
    """Whoever said yes said it to that plug and that file; they are asked again."""
    plug = make()
    await question(house, "lamp", "flash")
    if change == "a newer file":
        put(folder, FILE.replace("1.2.3_Build_170508", "1.3.0_Build_180101"), NEWER)
    elif change == "another file":
        put(folder, size=SIZE + 512)
    else:
        plug.device.mac = "50:C7:BF:99:99:99"
    assert await refusal(house, "lamp", "flash") == f"lamp: {why}. Nothing was done."
    assert plug.asked("download_firmware") == 0
    await question(house, "lamp", "flash")
    assert (await flash(house)).startswith("lamp flashed: 1.1.1 > ")


async def test_a_word_that_means_another_plug_by_now_flashes_neither(
    house: Commands, make: Make
) -> None:
    """Between question and code an alias was given to another plug, or one of two fell silent."""
    lamp = make(alias="Porch")
    with SimulatedPlug(sw_ver=OLD, mac="50:C7:BF:01:02:04", alias="Desk") as other:
        plugs = {name: vars(one) for name, one in house.settings.plugs.items()}
        plugs["fan"] = {"host": other.host, "port": other.port}
        house.set(**dict(house.settings) | {"plugs": plugs})
        assert (await question(house, "porch", "flash")).startswith("Flash lamp 1.1.1 to 1.2.3?")
        lamp.device.alias, other.device.alias = "Desk", "Porch"
        assert await refusal(house, "porch", "flash") == (
            "fan: you were asked about lamp. Nothing was done."
        )
        assert lamp.asked("download_firmware") == other.asked("download_firmware") == 0


async def test_a_check_changes_nothing(house: Commands, make: Make) -> None:
    plug = make()
    assert await house.text("firmware", "lamp", "check") == (
        "lamp can be flashed 1.1.1 to 1.2.3. Signature not checked."
    )
    assert plug.asked("download_firmware") == plug.asked("set_relay_state") == 0


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
    ({"sw_ver": "beta 2"}, "lamp: runs beta 2, and whether 1.2.3 is newer is not known"),
    (
        {"sw_ver": ""},
        "lamp: runs a version that it does not tell, and whether 1.2.3 is newer is not known",
    ),
    ({"model": "HS110(EU)"}, "lamp: {} is for HS110(US), this is HS110(EU)"),
    ({"hw_ver": "2.0"}, "lamp: {} is for hardware 1, this is 2.0"),
    ({"rssi": -75}, "lamp: its Wi-Fi is too weak (-75 dBm)"),
    ({"fault": "busy"}, "lamp: another update is running on it"),
    ({"watts": 900.0}, "lamp: it carries 900 W; switch off what is plugged in"),
]


@pytest.mark.long(after=4)
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


@pytest.mark.parametrize("version", ["1.1.0", "1.2.3", "2.0.0"])
async def test_a_version_that_locks_out_hardware_4_1_is_refused(
    house: Commands, make: Make, folder: Path, version: str
) -> None:
    describe(folder, "new.bin", put(folder, "new.bin"), hardware="4.1", version=version)
    make(hw_ver="4.1", profile="rtl", sw_ver="1.0.4 Build 191111 Rel.103839")
    assert await refusal(house, "lamp", "flash") == (
        f"lamp: {version} would lock us out of hardware 4.1 for good. Nothing was done."
    )


async def test_a_version_that_leaves_hardware_4_1_open_can_be_flashed(
    house: Commands, make: Make, folder: Path
) -> None:
    describe(folder, "new.bin", put(folder, "new.bin"), hardware="4.1", version="1.0.9")
    make(hw_ver="4.1", profile="rtl", sw_ver="1.0.4 Build 191111 Rel.103839")
    assert await house.text("firmware", "lamp", "check") == (
        "lamp can be flashed 1.0.4 to 1.0.9. Signature not checked."
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
    (folder / "other page.bin").write_bytes(b"<html>")
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


async def test_of_several_files_none_is_named_when_none_fits(
    house: Commands, make: Make, folder: Path
) -> None:
    put(folder, "second.bin")
    plug = make(hw_id="A" * 32)
    assert await refusal(house, "lamp", "flash") == (
        "lamp: no firmware file here is for HS110(US) 1.0. Nothing was done."
    )
    assert plug.asked("download_firmware") == 0


async def test_without_a_folder_the_plug_is_not_even_asked(make: Make) -> None:
    plug = make()
    with pytest.raises(CommandError, match=r"^lamp: no firmware folder in the config: modules: "):
        await preflight.prepare(at_loopback(plug), Rules(None))
    assert plug.device.asked == []


async def test_a_file_that_changed_while_the_plug_was_asked_is_not_sent(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug = make()

    def judged(where: Path) -> manifest.Folder:
        found = read_folder(where)
        put(folder, FILE, "1.2.4 Build 170509 Rel.162000")
        return found

    read_folder = manifest.read_folder
    monkeypatch.setattr(manifest, "read_folder", judged)
    with pytest.raises(CommandError, match=r" has just changed\. Nothing was done\.$"):
        await preflight.prepare(at_loopback(plug), Rules(folder, pause=0.0))


@pytest.mark.parametrize("percent", [0, 100])
async def test_the_download_of_somebody_else_is_not_cut_off(
    house: Commands, make: Make, percent: int
) -> None:
    """One that was finished and never flashed does no harm."""
    update = make().device.update
    update.active, update.done, update.ratio = percent < 100, percent == 100, percent
    if percent < 100:
        assert await refusal(house, "lamp", "flash") == (
            "lamp: another download is running on it. Nothing was done."
        )
    else:
        assert (await house.text("firmware", "lamp", "check")).startswith("lamp can be flashed")


def at_loopback(plug: SimulatedPlug) -> Device:
    return Device("lamp", PlugAddress(host=plug.host, port=plug.port))


def at(loc: Loc, text: str) -> Problem:
    return Problem(repr(loc), 1, 1, text)


async def test_the_plugs_come_from_the_section_of_plug(house: Commands) -> None:
    def plugs(sections: dict[str, Any]) -> list[str]:
        checked = module_settings.check(house.module, "firmware", sections, at)
        assert checked.problems == ()
        return list(checked.settings.plugs)

    lamp = {"plugs": {"lamp": "192.168.1.41"}}
    assert plugs({"plug": lamp, "firmware": {"serve_on": "192.168.1.5"}}) == ["lamp"]
    assert plugs({"plug": lamp, "firmware": {"plugs": {"fan": "192.168.1.42"}}}) == ["fan"]
    assert plugs({"plug": lamp}) == ["lamp"]
    assert plugs({}) == []


async def test_a_fault_in_what_is_borrowed_stands_where_it_is(house: Commands) -> None:
    sections = {"plug": {"plugs": {"two\nlines": "192.168.1.41"}}}
    checked = module_settings.check(house.module, "firmware", sections, at)
    assert checked.problems == (
        at(("modules", "plug", "plugs", "two\nlines"), "should be one line of text"),
    )


@pytest.mark.parametrize("address", ["house.lan", "192.168.1.5:8080", "0.0.0.0", "fd00::5"])
async def test_an_address_that_no_plug_could_fetch_from_is_told_by_check(
    house: Commands, address: str
) -> None:
    """It was found only after the code, when the file was to be served."""
    checked = module_settings.check(
        house.module, "firmware", {"firmware": {"serve_on": address}}, at
    )
    assert checked.problems == (
        at(
            ("modules", "firmware", "serve_on"),
            "should be one IPv4 address of this machine, such as 192.168.1.5",
        ),
    )


async def test_a_flash_is_a_danger_and_the_rest_looks(house: Commands) -> None:
    rule = getattr(house.module.firmware, SPEC).risk
    assert rule(SimpleNamespace(action="flash")) is Risk.DANGER
    assert rule(SimpleNamespace(action="check")) is rule(SimpleNamespace(action=None)) is Risk.LOOK
