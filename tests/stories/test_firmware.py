"""A flash by text, through the whole house: the question, the code, two replies."""

from __future__ import annotations

import re
from pathlib import Path

from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"


def test_a_flash_is_asked_about_confirmed_and_told_twice(tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    with SimulatedPlug(alias="lamp", sw_ver=OLD, scale=0.005, watts=61.0) as plug:
        image = make_image([plug.device.nature.hw_id], NEW, 204_800)
        (firmware / "new.bin").write_bytes(image)
        modules = {
            "plug": {"plugs": {"lamp": {"host": plug.host, "port": plug.port}}},
            "firmware": {"folder": str(firmware), "pace": 0.005},
        }
        with TestHouse(tmp_path, modules=modules) as house:
            phone = house.phone("ann")
            phone.text("!firmware lamp")
            assert phone.reply == (
                "lamp HS110(US) 1.0 runs 1.1.1. File 1.2.3 is ready. To flash: !firmware lamp flash"
            )
            phone.text("!firmware lamp flash")
            question = phone.reply
            asked = re.fullmatch(
                r"Flash lamp 1\.1\.1 to 1\.2\.3\? It goes off for 2 min\. "
                r"Text !yes (\d{4}) before \d\d:\d\d\.",
                question,
            )
            assert asked is not None, question
            assert plug.asked("download_firmware") == 0
            phone.text(f"!yes {asked[1]}")
            assert phone.reply == "Flashing lamp. Do not unplug. Result in about 3 min."
            assert re.fullmatch(
                r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d+ s\. It was on and is on again\. "
                r"Meter now reads 61 W\.",
                phone.wait(),
            )
        assert plug.sw_ver == NEW and plug.relay and plug.device.update.flashes == 1
