"""A house with simulated plugs and a firmware folder, as the tests of the verbs want it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
FILE = "hs110v1_us_1.2.3_Build_170508_Rel.162000_2017-05-26_18.06.53.bin"
#: real seconds a second of plug and house takes
PACE = 0.005


def quick(**nature: Any) -> SimulatedPlug:
    """The plug of the post, quick; the image of `fill` is newer than what it runs."""
    nature = {"alias": "den", "sw_ver": OLD, "flash_time": 22, "reboot_time": 7, **nature}
    return SimulatedPlug(scale=PACE, **nature)


def fill(home: Path, plug: SimulatedPlug) -> Path:
    """A firmware folder with one good image."""
    folder = home / "firmware"
    folder.mkdir()
    image = make_image([plug.device.nature.hw_id], NEW, 204_800, readable=False)
    (folder / FILE).write_bytes(image)
    return folder


def modules(folder: Path, *plugs: SimulatedPlug, pause: float = 0.1) -> dict[str, Any]:
    """The sections of a house with plugs: lamp, then the others."""
    names = ("lamp", "fan", "heater")
    listed = {
        name: {"host": each.host, "port": each.port}
        for name, each in zip(names, plugs, strict=False)
    }
    return {
        "plug": {"plugs": listed, "recheck": pause, "patience": 0.3},
        "firmware": {"folder": str(folder), "pace": PACE},
    }


def config_of(
    home: Path, folder: Path, *plugs: SimulatedPlug, name: str = "housecarl.yaml", **more: Any
) -> Path:
    """The configuration of a house that has these plugs."""
    config = home / name
    whole = {"spool": "spool", "modules": modules(folder, *plugs, pause=0), **more}
    config.write_text(yaml.safe_dump(whole))
    return config
