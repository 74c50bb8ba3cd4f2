"""How good flashes go on each generation, the plug of the post, and one at a time."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.plugs import flashing
from housecarl.plugs.device import Device
from housecarl.plugs.download import Pace
from housecarl.plugs.preflight import Rules
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.plug import SimulatedPlug

from ..conftest import Commands
from .conftest import (
    FILE,
    FLASHED,
    NEW,
    PACE,
    PROFILES,
    Make,
    describe,
    flash,
    put,
    question,
    refusal,
)


@pytest.mark.long(after=2)
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
        # the first hardware with firmware that writes by itself: it refuses the order to write
        {"profile": "v2", "hw_ver": "1.0"},
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
        r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d\d? s\. It was on and is on again\. "
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
    with pytest.raises(CommandError, match=f"^{told}$"):
        await question(house, "lamp", "flash")
    await house.hand.later()
    assert plug.asked("download_firmware") == 1


async def test_what_is_switched_before_a_flash_begins_stays_so(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever switches the plug just then is let finish, and then it is looked how it stands."""
    plug = make()
    device = Device("lamp", house.settings.plugs["lamp"])
    wanted, lock = asyncio.Event(), house.hand.lock

    def asked(key: str) -> AbstractAsyncContextManager[None]:
        if key == device.key:
            wanted.set()
        return lock(key)

    async with lock(device.key):
        monkeypatch.setattr(house.hand, "lock", asked)
        begun = asyncio.create_task(house.text("firmware", "lamp", "flash"))
        await asyncio.wait_for(wanted.wait(), 10)
        await device.switch(False)
    await begun
    verdict = (await house.hand.later()).text
    assert verdict.endswith(" s. It was off and is off again. Meter now reads 0 W.")
    assert not plug.relay


async def test_a_relay_that_does_not_obey_is_told_and_nothing_of_a_meter_that_is_not_there(
    house: Commands, make: Make
) -> None:
    plug = make(relay_after_boot="off", fault="relay_stuck", emeter="none")
    assert await question(house, "lamp", "flash") == (
        "Flash lamp 1.1.1 to 1.2.3? It goes off for 2 min."
    )
    assert (await flash(house)).endswith(" s. It was on and is off now.")
    assert plug.asked("set_relay_state") == 1 and not plug.relay


async def test_later_hardware_that_forgets_the_download_while_it_writes_is_not_given_up(
    house: Commands, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(folder, FILE, put(folder), hardware="2.0")
    plug = make(**PROFILES["v2"])
    update, system = plug.device.update, plug.device._modules["system"]
    told = system["get_download_state"]
    monkeypatch.setitem(
        system, "get_download_state", lambda _: {"err_code": -7} if update.flashing else told(_)
    )
    assert re.fullmatch(FLASHED, await flash(house))
    assert plug.sw_ver == NEW and plug.asked("download_firmware") == 1


@pytest.mark.long
async def test_later_hardware_that_tells_no_progress_is_not_called_unflashed_while_it_writes(
    house: Commands, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has every byte and says neither so nor that it is updating, for longer than a minute."""
    describe(folder, FILE, put(folder), hardware="4.0")
    plug = make(**PROFILES["rtl"], flash_time=80)
    system = plug.device._modules["system"]
    told, info = system["get_download_state"], system["get_sysinfo"]
    monkeypatch.setitem(system, "get_download_state", lambda args: told(args) | {"ratio": 0})
    monkeypatch.setitem(system, "get_sysinfo", lambda args: info(args) | {"updating": 0})
    assert re.fullmatch(FLASHED, await flash(house))


@pytest.mark.long
async def test_a_model_whose_first_hardware_writes_by_itself_is_not_called_unwritten(
    house: Commands, make: Make, folder: Path
) -> None:
    """It loses its power as soon as it has the file; "nothing was written to it" is for others."""
    kind = PROFILES["rtl"] | {"hw_ver": "1.0", "model": "KP115(US)"}
    describe(folder, FILE, put(folder), model="KP115(US)")
    plug = make(**kind, fault="powerloss@flash:0.01", flash_time=1, reboot_time=1)
    assert re.fullmatch(
        r"lamp did not come back after \d+ s\. Do not unplug it for 5 min, then check it by hand\.",
        await flash(house),
    )
    assert plug.state == "bricked" and plug.asked("flash_firmware") == 0


async def test_a_plug_that_says_yes_and_does_not_write_is_told(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug = make(flash_time=1, reboot_time=1)
    monkeypatch.setattr(plug.device.update, "_begin", lambda: None)
    assert await flash(house) == (
        "lamp NOT flashed: it came back with 1.1.1, not 1.2.3. Working. It was on and is on again."
    )
    assert plug.asked("flash_firmware") == 1 and plug.state == "up"


async def test_a_file_that_is_another_build_than_it_is_called_is_not_called_unflashed(
    house: Commands, make: Make, folder: Path
) -> None:
    (folder / FILE).rename(folder / FILE.replace("162000", "162001"))
    plug = make()
    assert await flash(house) == (
        f"lamp flashed, but it came back with {NEW}, not {NEW[:-1]}1. Working."
        " It was on and is on again."
    )
    assert plug.sw_ver == NEW


async def test_a_progress_that_is_no_number_is_none(
    house: Commands, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(folder, FILE, put(folder), hardware="2.0")
    plug = make(**PROFILES["v2"], rate=4_000_000)
    system = plug.device._modules["system"]
    told = system["get_download_state"]

    def odd(args: dict[str, Any]) -> dict[str, Any]:
        said = told(args)
        return said | {"ratio": math.inf} if 0 < said.get("ratio", 0) < 100 else said

    monkeypatch.setitem(system, "get_download_state", odd)
    assert re.fullmatch(FLASHED, await flash(house))


class Struck:
    """A flash log by which something happens at one of its steps."""

    def __init__(self, at: str, strike: Callable[[], None]) -> None:
        self._at, self._strike = at, strike
        self.steps: list[str] = []
        self.finished: list[tuple[str, bool]] = []

    async def step(self, name: str, detail: str = "") -> None:
        self.steps.append(name)
        if name == self._at:
            self._strike()

    async def finish(self, outcome: str, *, done: bool = False) -> None:
        self.finished.append((outcome, done))


async def struck(plug: SimulatedPlug, folder: Path, at: str, strike: Callable[[], None]) -> str:
    """The verdict on a flash by which `strike` happens at the step `at`."""
    device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
    ready = await flashing.prepare(device, Rules(folder, pause=0.0))
    log: Any = Struck(at, strike)
    outcome = await flashing.flash(ready, log, Pace(PACE), lambda _share, _text: None).run()
    assert log.finished == [(outcome.text, False)]
    assert not outcome.done and log.steps[-1] == at, "nothing was gone on with"
    return outcome.text


@pytest.mark.parametrize(
    ("at", "why"),
    [("download", "it does not answer"), ("commit", "it did not take the order to flash")],
)
async def test_an_order_that_did_not_reach_the_plug_is_not_given_twice(
    make: Make, folder: Path, at: str, why: str
) -> None:
    plug = make()
    assert await struck(plug, folder, at, plug.stop) == (
        f"lamp NOT flashed: {why}. It does not answer now; nothing was written to it."
    )
    assert plug.asked("flash_firmware") == plug.device.update.flashes == 0


async def test_one_that_writes_by_itself_and_fell_silent_before_the_order_was_not_written(
    make: Make, folder: Path
) -> None:
    describe(folder, FILE, put(folder), hardware="2.0")
    plug = make(**PROFILES["v2"])
    assert await struck(plug, folder, "serve", plug.stop) == (
        "lamp NOT flashed: it fell silent before the order."
        " It does not answer now; nothing was written to it."
    )
    assert plug.asked("download_firmware") == 0


@pytest.mark.parametrize(
    ("at", "profile", "downloads"),
    [("serve", "v1", 0), ("downloaded", "v1", 1), ("serve", "v2", 0)],
)
async def test_another_plug_that_got_its_address_is_not_told_to_write(
    make: Make, folder: Path, at: str, profile: str, downloads: int
) -> None:
    """A router may give the address away at any time; nobody was asked about that plug."""
    kind = PROFILES[profile]
    describe(folder, FILE, put(folder), hardware=kind["hw_ver"])
    plug = make(**kind)

    def moved() -> None:
        plug.device.mac = "50:C7:BF:99:99:99"

    assert await struck(plug, folder, at, moved) == (
        "lamp NOT flashed: it is not the same plug any more."
        " Another plug answers at its address now."
    )
    assert plug.asked("download_firmware") == downloads
    assert plug.asked("flash_firmware") == plug.device.update.flashes == 0


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("serve", "lamp NOT flashed: OSError here. Still on 1.1.1, working."),
        ("flashing", "lamp: OSError here, and it still says it is updating. Do not unplug it."),
        ("back", "lamp runs 1.2.3 now, though OSError here."),
    ],
)
async def test_what_breaks_here_is_told_with_what_the_plug_then_says(
    make: Make, folder: Path, at: str, told: str
) -> None:
    """A disk that is full when a step is to be written down, for one."""

    def full() -> None:
        raise OSError(28, "No space left on device")

    plug = make()
    assert await struck(plug, folder, at, full) == told
    assert plug.asked("download_firmware") == int(at != "serve")


async def test_a_plug_that_was_told_to_write_is_never_called_unwritten(
    make: Make, folder: Path
) -> None:
    """What broke here broke while the plug reboots, and nobody knows what it runs then."""
    plug = make()

    def gone() -> None:
        plug.stop()
        raise OSError(28, "No space left on device")

    assert await struck(plug, folder, "flashing", gone) == (
        "lamp: OSError here, after it was told to write. It does not answer now."
        " Do not unplug it for 5 min, then check it."
    )
