"""Each fault of a plug or on its way, on each generation: the exact verdict, the plug afterwards.

A test flashes three plugs at the same time, each in a house of its own: hardware 1, which writes
when it is told to; hardware 2 and the Realtek ones, which write by themselves what they have
fetched. `{}` in a verdict is the percentage at which a download stopped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.plugs import file_flash
from housecarl.testing.plug import SimulatedPlug

from ..conftest import Commands
from . import between
from .conftest import (
    FILE,
    FLASHED,
    HW_ID,
    NEW,
    OLD,
    PACE,
    PROFILES,
    SIZE,
    TIMES,
    describe,
    flash,
    put,
)

STILL = " Still on 1.1.1, working."
NOT_FETCHED = f"lamp NOT flashed: the plug could not fetch the file from here.{STILL}"
REFUSED = f"lamp NOT flashed: the plug refused the file.{STILL}"
INVALID = f"lamp NOT flashed: the plug refused the file: Firmware validate fail (-19).{STILL}"
STOPPED = "lamp NOT flashed: download stopped at {}%"
NOT_BACK = "lamp did not come back after 118 s. Do not unplug it for 5 min, then check it by hand."


@dataclass(frozen=True)
class Case:
    """A fault: what each profile's verdict is (`later` that of v2 and rtl), and the plug then."""

    name: str
    v1: str
    later: str | None = None
    runs: str = OLD
    state: str = "up"
    nature: dict[str, Any] | None = None
    serve: between.Serve | None = None

    def verdict(self, profile: str) -> str:
        return self.v1 if profile == "v1" or self.later is None else self.later


def fault(name: str, v1: str, later: str | None = None, **more: Any) -> Case:
    """A fault of the plug itself, in a download slow enough to be struck by it."""
    return Case(name, v1, later, nature={"fault": name, "rate": 4_000_000}, **more)


CASES = [
    # before and in the download
    fault("unreachable", NOT_FETCHED),
    Case("404", NOT_FETCHED, serve=between.spoilt(".bin", ".bad")),
    Case("302", NOT_FETCHED, serve=between.through(between.redirect)),
    Case("https", NOT_FETCHED, serve=between.spoilt("http:", "https:")),
    fault("fail@download:43", STOPPED + f" (connection lost).{STILL}"),
    fault(
        "stall@download:43",
        STOPPED + f" (timed out).{STILL}",
        "lamp: download stopped at {}% (timed out), and it still says it is updating."
        " Do not unplug it.",
    ),
    fault(
        "vanish@download:50",
        STOPPED + " (no answer). It does not answer now; nothing was written to it.",
        STOPPED
        + " (no answer). It does not answer now. Do not unplug it for 5 min, then check it.",
        state="down",
    ),
    Case(
        "slow server over the limit",
        STOPPED + f" (timed out).{STILL}",
        serve=between.through(between.slow),
    ),
    Case("slow plug over its limit", STOPPED + f" (timed out).{STILL}", nature={"rate": 60_000}),
    Case("slow plug", FLASHED, runs=NEW, nature={"rate": 300_000}),
    Case("no length", FLASHED, runs=NEW, serve=between.through(between.unmeasured)),
    Case("cut without a length", INVALID, REFUSED, serve=between.through(between.cut)),
    Case(
        "a page",
        f"lamp NOT flashed: the plug fetched 0 of {SIZE} bytes.{STILL}",
        NOT_FETCHED,
        serve=between.through(between.portal),
    ),
    # what the plug makes of the file
    fault("truncate@download:9", INVALID, REFUSED),
    fault(
        "refuse@flash:-20",
        f"lamp NOT flashed: the plug refused the file: refused (-20).{STILL}",
        FLASHED,
    ),
    fault("late@flash:8", FLASHED, runs=NEW),
    # the write and the reboot
    fault("powerloss@flash:0.5", NOT_BACK, state="bricked"),
    fault("hang@reboot", NOT_BACK, state="down"),
    Case(
        "badboot",
        "lamp NOT flashed: it came back with 1.1.1, not 1.2.3. Working. It was on and is on again.",
        nature={"fault": "badboot", "relay_after_boot": "off"},
    ),
    fault(
        "imposter",
        "lamp is not the same device any more: another one answers at its address.",
        runs=NEW,
    ),
    Case(
        "meter_still_bad",
        r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d\d? s\. It was on and is on again\. "
        r"Its meter still reports 28322 W, over its 1875 W limit\.",
        runs=NEW,
        nature={"fault": "meter_still_bad", "glitch_watts": 28321.7},
    ),
    # answers that are lost
    fault("lost_reply:2", FLASHED, runs=NEW),
    fault("lost@download", FLASHED, runs=NEW),
    fault("lost@flash", FLASHED, runs=NEW),
    fault("udp_lost", FLASHED, runs=NEW),
]

Three = Callable[..., dict[str, tuple[Commands, SimulatedPlug]]]


@pytest.fixture
def three(load: Callable[[str], Commands], tmp_path: Path) -> Iterator[Three]:
    """A plug of each profile, each in a house of its own; `image` changes the file."""
    with ExitStack() as stack:

        def start(
            image: Callable[[bytes], bytes] = bytes, **nature: Any
        ) -> dict[str, tuple[Commands, SimulatedPlug]]:
            made = {}
            for profile, kind in PROFILES.items():
                folder = tmp_path / profile
                folder.mkdir()
                data = image(put(folder, hw_id=nature.get("of", HW_ID)))
                (folder / FILE).write_bytes(data)
                describe(folder, FILE, data, hardware=kind["hw_ver"])
                options: dict[str, Any] = {"scale": PACE, "sw_ver": OLD, "hw_id": HW_ID}
                options |= {"watts": 61.0, **TIMES}
                options |= kind | {key: nature[key] for key in nature if key != "of"}
                plug = stack.enter_context(SimulatedPlug(**options))
                house = load("firmware")
                address = {"host": plug.host, "port": plug.port, "max_watts": 1875}
                house.set(folder=folder, pace=PACE, plugs={"lamp": address})
                made[profile] = (house, plug)
            return made

        yield start


@pytest.mark.long(after=4)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_fault_has_its_verdict_on_each_profile(
    three: Three, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    plugs = three(**case.nature or {})
    if case.serve is not None:
        monkeypatch.setattr(file_flash, "served", case.serve)
    verdicts = await asyncio.gather(*(flash(house) for house, _ in plugs.values()))
    for (profile, (_, plug)), said in zip(plugs.items(), verdicts, strict=True):
        expected = case.verdict(profile)
        if "\\" in expected:
            assert re.fullmatch(expected, said), (profile, said)
        else:
            percent = (re.findall(r"(\d+)%", said) or ["0"])[0]
            assert said == expected.format(percent), profile
        runs = NEW if expected == FLASHED else case.runs
        assert (plug.state, plug.sw_ver, plug.relay) == (case.state, runs, True), profile
        assert plug.asked("download_firmware") == 1, profile
        assert plug.asked("flash_firmware") == int(
            profile == "v1" and "download stopped" not in said and "fetch" not in said
        )
        wrote = runs == NEW or case.name in ("powerloss@flash:0.5", "hang@reboot", "badboot")
        assert plug.device.update.flashes == int(wrote), profile


@pytest.mark.long
async def test_a_plug_that_refuses_the_order_to_fetch_is_told_as_that(three: Three) -> None:
    plugs = three()
    for _, plug in plugs.values():
        system = plug.device._modules["system"]
        system["download_firmware"] = lambda _: {"err_code": -3, "err_msg": "invalid argument"}
    verdicts = await asyncio.gather(*(flash(house) for house, _ in plugs.values()))
    assert verdicts == [f"lamp NOT flashed: it refused the download (-3).{STILL}"] * 3


def flipped(image: bytes) -> bytes:
    return image[:100_000] + bytes([image[100_000] ^ 4]) + image[100_001:]


async def test_a_flipped_bit_is_found_by_each_profile(three: Three) -> None:
    plugs = three(flipped)
    verdicts = await asyncio.gather(*(flash(house) for house, _ in plugs.values()))
    assert verdicts == [INVALID, REFUSED, REFUSED]
    for _, plug in plugs.values():
        assert (plug.state, plug.sw_ver, plug.relay) == ("up", OLD, True)
        assert plug.device.update.flashes == 0


@pytest.mark.parametrize(
    ("image", "nature", "why"),
    [
        (bytes, {"of": "A" * 32}, "{file} is for other hardware than this HS110(US) {hw}"),
        (lambda image: image.ljust(4_194_305), {}, "{file} has 4194305 bytes: no firmware image"),
        (lambda _: b"<html>" * 30_000, {}, "{file} is not a TP-Link firmware image"),
        (bytes, {"fault": "busy"}, "another update is running on it"),
        (bytes, {"fault": "lost_reply"}, None),
    ],
    ids=["wrong hardware id", "too big", "a page", "busy", "every answer lost"],
)
async def test_what_is_found_before_is_never_begun_on_any_profile(
    three: Three, image: Callable[[bytes], bytes], nature: dict[str, Any], why: str | None
) -> None:
    for profile, (house, plug) in three(image, **nature).items():
        with pytest.raises(CommandError) as caught:
            await house.run("firmware", "lamp", "flash", FILE)
        text = "lamp does not answer."
        if why is not None:
            shown = FILE[:40] if "other" in why else f"{FILE[:38]}.."
            hw_ver = PROFILES[profile]["hw_ver"]
            text = f"lamp: {why.format(file=shown, hw=hw_ver)}. Nothing was done."
        assert str(caught.value) == text
        assert (plug.state, plug.sw_ver, plug.relay) == ("up", OLD, True)
        assert plug.asked("download_firmware") == plug.asked("flash_firmware") == 0
