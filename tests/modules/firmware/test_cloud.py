"""Newer plugs: their firmware comes from the cloud; every end of it, the verdict and the plug."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from housecarl.plugs import aftermath, flashing, names, tapo, wire
from housecarl.plugs.download import Pace
from housecarl.plugs.flash_log import KEY, StoreLog
from housecarl.plugs.preflight import Rules

from ..conftest import Commands
from . import smart_plug
from .conftest import PACE, flash, question, refusal
from .smart_plug import COMPONENTS, SmartPlug

OLD, NEW = "1.3.0 Build 230905 Rel.152200", "1.3.1 Build 240621 Rel.162048"
Make = Callable[..., SmartPlug]
ADDRESS = {"host": "192.0.2.1", "user": "ann", "password": {"env": "HOUSECARL_TEST_TAPO"}}


@pytest.fixture
async def make(house: Commands, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Put a newer plug into the house as lamp; python-kasa finds it by its own way to connect."""
    await wire.load()
    plugs: list[SmartPlug] = []

    async def connect(_: tapo.NewDevice) -> Any:
        return plugs[0].connected()

    monkeypatch.setattr(tapo.NewDevice, "_connect", connect)

    def start(**options: Any) -> SmartPlug:
        plugs.append(SmartPlug(**{"scale": PACE, "sw_ver": OLD, "offered": NEW, **options}))
        house.set(pace=PACE, plugs={"lamp": ADDRESS})
        return plugs[0]

    yield start
    await tapo.close()


async def test_looking_and_checking_ask_the_cloud_and_change_nothing(
    house: Commands, make: Make
) -> None:
    plug = make()
    reply = await house.run("firmware", "lamp")
    assert reply.text == (
        "lamp P110 1.0 runs 1.3.0. The TP-Link cloud has 1.3.1. To flash: !firmware lamp flash"
    )
    assert ("Updates itself", "yes") in reply.rows
    assert await house.text("firmware", "lamp", "check") == (
        "lamp can be flashed 1.3.0 to 1.3.1 from the TP-Link cloud."
    )
    assert await question(house, "lamp", "flash") == (
        "Flash lamp 1.3.0 to 1.3.1? It goes off for 2 min."
    )
    assert "fw_download" not in plug.asked and "set_device_info" not in plug.asked


async def test_nothing_newer_is_told(house: Commands, make: Make) -> None:
    make(offered=None)
    assert await house.text("firmware", "lamp") == (
        "lamp P110 1.0 runs 1.3.0. Nothing newer is in the TP-Link cloud."
    )


async def test_something_of_which_the_version_is_not_told_is_not_called_nothing(
    house: Commands, make: Make
) -> None:
    make(offered="beta")
    assert await house.text("firmware", "lamp") == (
        "lamp P110 1.0 runs 1.3.0. But the TP-Link cloud tells no version."
    )


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"offered": None}, "already runs 1.3.0, the newest in the TP-Link cloud"),
    ({"offered": "1.2.9 Build 1 Rel.1"}, "runs 1.3.0, 1.2.9 would be older"),
    ({"offered": "1.3.0 Build 2 Rel.2"}, "already runs 1.3.0"),
    ({"offered": "beta"}, "the TP-Link cloud tells no version"),
    ({"fault": "offline"}, "it is not connected to the TP-Link cloud"),
    ({"fault": "cloudless"}, "the TP-Link cloud did not tell it of firmware"),
    ({"fault": "busy"}, "another update is running on it"),
    ({"rssi": -80}, "its Wi-Fi is too weak (-80 dBm)"),
    ({"watts": 900.0}, "it carries 900 W; switch off what is plugged in"),
]


@pytest.mark.parametrize(("nature", "why"), UNFIT, ids=[one[1][:30] for one in UNFIT])
async def test_what_does_not_fit_is_never_ordered(
    house: Commands, make: Make, nature: dict[str, Any], why: str
) -> None:
    plug = make(**nature)
    assert await refusal(house, "lamp", "flash") == f"lamp: {why}. Nothing was done."
    assert await refusal(house, "lamp", "check") == f"lamp: {why}. Nothing was done."
    assert "fw_download" not in plug.asked
    assert await house.hand.store.get(KEY) is None


async def test_a_plug_that_knows_nothing_of_firmware_is_refused(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(COMPONENTS, "firmware")
    plug = make()
    assert await refusal(house, "lamp", "flash") == (
        "lamp: it tells nothing of its firmware. Nothing was done."
    )
    assert "fw_download" not in plug.asked


async def test_an_order_that_cannot_be_given_is_not_given_later(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plug leaves after every check was made."""
    plug = make()
    device = names.device("lamp", house.settings.plugs["lamp"])
    ready = await flashing.prepare(device, Rules(None, pause=0.0))
    await tapo.close()

    async def away(_: tapo.NewDevice) -> Any:
        raise wire.PlugSilent("lamp", "does not answer.")

    monkeypatch.setattr(tapo.NewDevice, "_connect", away)
    log = StoreLog(house.hand.store)
    assert await log.claim("lamp", ready.facts())
    outcome = await flashing.flash(ready, log, Pace(PACE), lambda _share, _text: None).run()
    assert (outcome.done, outcome.text) == (
        False,
        "lamp NOT flashed: it fell silent before the order."
        " It does not answer now; nothing was written to it.",
    )
    assert "fw_download" not in plug.asked


async def test_another_plug_that_got_its_address_is_not_given_the_order(
    house: Commands, make: Make
) -> None:
    plug = make()
    device = names.device("lamp", house.settings.plugs["lamp"])
    ready = await flashing.prepare(device, Rules(None, pause=0.0))
    plug.info["device_id"] = "81" * 20
    log = StoreLog(house.hand.store)
    assert await log.claim("lamp", ready.facts())
    outcome = await flashing.flash(ready, log, Pace(PACE), lambda _share, _text: None).run()
    assert outcome.text == (
        "lamp NOT flashed: it is not the same plug any more."
        " Another plug answers at its address now."
    )
    assert "fw_download" not in plug.asked


async def test_a_file_is_not_for_it(house: Commands, make: Make) -> None:
    make()
    assert await refusal(house, "lamp", "flash", "x.bin") == (
        "lamp: it takes firmware from the TP-Link cloud only, no file. Nothing was done."
    )


@pytest.mark.long(after=1)
@pytest.mark.parametrize("fault", ["", "off", "swift", "lost"])
async def test_a_good_flash_by_the_cloud_is_told_from_what_the_plug_then_reads(
    house: Commands, make: Make, fault: str
) -> None:
    """Also when it is done between two looks, or when the answer to the order is lost."""
    plug = make(fault=fault)
    assert re.fullmatch(
        r"lamp flashed: 1\.3\.0 > 1\.3\.1 in \d\d? s\. It was on and is on again\. "
        r"Meter now reads 43 W\.",
        await flash(house),
    )
    assert (plug.sw_ver, plug.on, plug.asked.count("fw_download")) == (NEW, True, 1)
    assert house.hand.fractions == sorted(house.hand.fractions)
    assert house.hand.fractions[-1] == 1.0


STILL = "Still on 1.3.0, working."
UNDER_WAY = "and it still says it is updating. Do not unplug it."
GONE = "lamp did not come back after {} s. Do not unplug it for 5 min, then check it by hand."
FAILED = [
    ("refuse", f"lamp NOT flashed: it refused the download (-1008). {STILL}"),
    ("never", f"lamp NOT flashed: it said yes, but did not begin. {STILL}"),
    ("fail", f"lamp NOT flashed: download stopped at {{}}% (error -3). {STILL}"),
    ("idle", f"lamp NOT flashed: download stopped at {{}}% (given up by the plug). {STILL}"),
    ("hang", f"lamp: download stopped at 40% (timed out), {UNDER_WAY}"),
    ("writes", "lamp still says it is updating after 100 s. Do not unplug it."),
    ("vanish", GONE.format(232)),
    ("bricked", GONE.format(100)),
    (
        "badboot",
        "lamp NOT flashed: it came back with 1.3.0, not 1.3.1. Working. It was on and is on again.",
    ),
    (
        "imposter",
        "lamp is not the same device any more: another one answers at its address.",
    ),
]


@pytest.mark.long(after=2)
@pytest.mark.parametrize(("fault", "expected"), FAILED, ids=[one[0] for one in FAILED])
async def test_a_failed_flash_is_told_as_it_is(
    house: Commands, make: Make, fault: str, expected: str
) -> None:
    plug = make(fault=fault)
    verdict = await flash(house)
    percent = (re.findall(r"(\d+)%", verdict) or ["0"])[0]
    assert verdict == expected.format(percent)
    assert plug.asked.count("fw_download") == 1, "ordered once, whatever came of it"
    assert plug.sw_ver == (NEW if fault == "imposter" else OLD) and plug.on


@pytest.mark.parametrize("reboot", [0.0, smart_plug.REBOOT], ids=["too quick to be seen", "seen"])
async def test_of_a_meter_that_the_new_firmware_lacks_nothing_is_told(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch, reboot: float
) -> None:
    monkeypatch.setattr(smart_plug, "REBOOT", reboot)
    make(fault="meterless")
    assert (await flash(house)).endswith(" It was on and is on again.")


async def test_a_meter_that_answers_only_in_part_is_no_reason_to_break(
    house: Commands, make: Make
) -> None:
    plug = make(fault="odd meter")
    assert (await question(house, "lamp", "flash")).endswith(
        " Its meter gives no reading, so its load is not known."
    )
    assert (await flash(house)).endswith(" It was on and is on again. Its meter gives no reading.")
    assert plug.sw_ver == NEW


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("", "It runs 1.3.1 now: the flash went through."),
        ("badboot", "It runs 1.3.0, working: it was NOT flashed."),
        ("hang", "It says it is updating. Do not unplug it."),
        ("bricked", "It does not answer. Do not unplug it for 5 min, then check it."),
    ],
)
async def test_after_a_crash_the_truth_is_told(
    house: Commands, make: Make, fault: str, told: str
) -> None:
    """The house is cut off with the order just given; the next start asks and orders nothing."""
    plug = make(fault=fault)
    await house.text("firmware", "lamp", "flash")
    log = StoreLog(house.hand.store)
    async with asyncio.timeout(5):
        await plug.ordered.wait()
    house.hand.work[0].cancel()
    await asyncio.gather(*house.hand.work, return_exceptions=True)
    (row,) = await log.unfinished()
    assert (row.live, row.last, row.ordered) == (False, "commit", True)
    device = names.device("lamp", house.settings.plugs["lamp"])
    sentence = await aftermath.settled(log, row, device, "UTC", Pace(PACE))
    assert sentence.endswith(f" was interrupted here. {told}")
    assert plug.asked.count("fw_download") == 1
