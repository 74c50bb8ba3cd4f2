"""A flash by text, through the whole house: the question, the code, two replies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.stories import notes

from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
#: real seconds a second of plug and house takes
PACE = 0.005
#: the plug counts in its own quick time
STATE = r"lamp on\. 61 W now, 0\.3\d kWh today\."
FLASHED = (
    r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d+ s\. It was on and is on again\. Meter now reads 61 W\."
)
SLOW = r"lamp NOT flashed: download stopped at \d+% \(timed out\)\. Still on 1\.1\.1, working\."


@contextmanager
def at_home(folder: Path, **nature: Any) -> Iterator[tuple[Phone, SimulatedPlug]]:
    """A phone to the house that has this plug and a newer firmware for it."""
    firmware = folder / "firmware"
    firmware.mkdir()
    nature = {"flash_time": 22, "reboot_time": 7, **nature}
    with SimulatedPlug(alias="lamp", sw_ver=OLD, scale=PACE, watts=61.0, **nature) as plug:
        image = make_image([plug.device.nature.hw_id], NEW, 204_800)
        (firmware / "new.bin").write_bytes(image)
        modules = {
            "plug": {"plugs": {"lamp": {"host": plug.host, "port": plug.port}}},
            "firmware": {"folder": str(firmware), "pace": PACE},
        }
        with TestHouse(folder, modules=modules) as house:
            yield house.phone("ann"), plug


def begin(phone: Phone) -> str:
    """Ask for a flash and confirm it; what the house says then."""
    phone.text("!firmware lamp flash")
    asked = re.fullmatch(
        r"Flash lamp 1\.1\.1 to 1\.2\.3\? It goes off for 2 min\. "
        r"Text !yes (\d{4}) before \d\d:\d\d\.",
        phone.reply,
    )
    assert asked is not None, phone.reply
    phone.text(f"!yes {asked[1]}")
    return phone.reply


def flash(phone: Phone) -> str:
    """As `begin`; what the house says last."""
    assert begin(phone) == "Flashing lamp. Do not unplug. Result in about 3 min."
    return phone.wait()


def test_a_flash_is_asked_about_confirmed_and_told_twice(tmp_path: Path) -> None:
    with at_home(tmp_path) as (phone, plug):
        phone.text("!firmware lamp")
        assert phone.reply == (
            "lamp HS110(US) 1.0 runs 1.1.1. File 1.2.3 is ready. To flash: !firmware lamp flash"
        )
        assert plug.asked("download_firmware") == 0
        assert re.fullmatch(FLASHED, flash(phone))
    assert plug.sw_ver == NEW and plug.relay and plug.device.update.flashes == 1


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("nature", "verdict", "runs"),
    [
        ({"fault": "lost_reply:2,lost@download,lost@flash"}, FLASHED, NEW),
        pytest.param({"fault": "udp_lost"}, FLASHED, NEW, marks=pytest.mark.long),
        pytest.param({"rate": 300_000}, FLASHED, NEW, marks=pytest.mark.long),
        ({"rate": 60_000}, SLOW, OLD),
    ],
    ids=["answers lost", "datagrams lost", "slow", "slower than its own limit"],
)
def test_what_gets_lost_or_takes_long_is_in_no_reply(
    tmp_path: Path, nature: dict[str, Any], verdict: str, runs: str
) -> None:
    """Each answer but the first may be lost; no order is given twice, and the truth is told."""
    with at_home(tmp_path, **nature) as (phone, plug):
        phone.text("!plug lamp")
        assert re.fullmatch(STATE, phone.reply)
        assert re.fullmatch(verdict, re.sub(r" Log [0-9a-f]{4}\.$", "", flash(phone)))
        phone.text("!plug lamp")
        assert re.fullmatch(STATE, phone.reply)
    assert (plug.sw_ver, plug.state, plug.relay) == (runs, "up", True)
    assert plug.asked("download_firmware") == 1 and plug.asked("flash_firmware") <= 1
    assert plug.device.update.flashes == int(runs == NEW)


def test_a_plug_whose_every_answer_is_lost_does_not_answer(tmp_path: Path) -> None:
    with at_home(tmp_path, relay=False, fault="lost_reply") as (phone, plug):
        phone.text("!plug lamp")
        assert phone.reply == "lamp does not answer. Is it powered and on the Wi-Fi?"
        phone.text("!plug lamp on")
        assert phone.reply == "lamp does not answer. It may have switched."
        assert plug.relay, "and so it had"
        phone.text("!firmware lamp flash")
        assert phone.reply == "lamp does not answer."
    assert plug.asked("download_firmware") == 0


def test_a_flash_that_cannot_be_noted_is_not_begun_and_leaves_its_plug_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said to be flashed, and was not switched, for as long as the daemon ran."""
    notes.fail(monkeypatch)
    with at_home(tmp_path) as (phone, plug):
        assert begin(phone).startswith("firmware was interrupted by a restart. It may have been")
        told = r"lamp: the flash of \d\d:\d\d was interrupted here\. It runs 1\.1\.1, working: "
        assert re.fullmatch(told + r"it was NOT flashed\.", phone.wait())
        phone.text("!plug lamp off")
        assert phone.reply.startswith("lamp off. ")
    assert plug.asked("download_firmware") == 0 and not plug.relay
