"""A house with a firmware folder and one simulated plug named lamp."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl import Call, CommandError
from housecarl.module import SPEC
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

from ..conftest import Commands, sms

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
#: the generations of plugs: one writes when it is told to, the others what they have fetched
PROFILES: dict[str, dict[str, Any]] = {
    "v1": {"profile": "v1", "hw_ver": "1.0"},
    "v2": {"profile": "v2", "hw_ver": "2.0", "emeter": "v2"},
    "rtl": {"profile": "rtl", "hw_ver": "4.0", "emeter": "v2", "keep_open": True},
}
#: the verdict on a flash that went well, as an expression
FLASHED = (
    r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d\d? s\. It was on and is on again\."
    r" Meter now reads 61 W\."
)


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


@cache
def image_of(hw_id: str, version: str, size: int, **options: Any) -> bytes:
    """An image; to sign one takes as long as to flash it."""
    return make_image([hw_id], version, size, readable=False, **options)


def put(
    folder: Path, file: str = FILE, version: str = NEW, hw_id: str = HW_ID, **options: Any
) -> bytes:
    image = image_of(hw_id, version, options.pop("size", SIZE), **options)
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
    last = await house.hand.store.get("flash.last")
    # whoever waits for it at a command line gets 0 or 1 by that
    assert (last["outcome"], last["done"]) == (verdict, verdict.startswith("lamp flashed: "))
    return verdict


async def refusal(house: Commands, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        await house.run("firmware", *words)
    return str(caught.value)


async def question(house: Commands, *words: str) -> str:
    call = Call(
        "firmware",
        words,
        person=house.person,
        settings=house.settings,
        house=house.house,
        means=house.hand,
    )
    plug, action, file = (*words, "", "", "")[:3]
    args = SimpleNamespace(call=call, plug=plug, action=action, file=file)
    return str(await getattr(house.module.firmware, SPEC).confirm(args))
