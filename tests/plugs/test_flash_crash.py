"""The house dies at any point of a flash: the next start tells the truth, and flashes nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from housecarl.plugs import aftermath
from housecarl.plugs.device import Device
from housecarl.plugs.flash_log import StoreLog, Unfinished
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

from .flasher import PACE, FileStore

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
#: before and after each write: claim, serve, download, downloaded, commit, flashing, back, relay,
#: meter, finish
POINTS = 20


@pytest.fixture
def plugs() -> Iterator[list[SimulatedPlug]]:
    with ExitStack() as stack:
        made = (SimulatedPlug(scale=PACE, sw_ver=OLD) for _ in range(POINTS))
        yield [stack.enter_context(plug) for plug in made]


def settled(plug: SimulatedPlug) -> None:
    """Wait until the plug has done what it was told."""
    end = time.monotonic() + 10
    update = plug.device.update
    while time.monotonic() < end and (update.flashing or update.active or plug.state != "up"):
        time.sleep(0.01)
    assert plug.state == "up"


async def test_killed_at_each_of_20_points(plugs: list[SimulatedPlug], tmp_path: Path) -> None:
    """kill -9; then the report is true, the claim is free again and the plug was told once."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    image = make_image([plugs[0].device.nature.hw_id], NEW, 204_800)
    (folder / "new.bin").write_bytes(image)
    stores = [tmp_path / f"{point}.json" for point in range(POINTS)]
    orders = "".join(
        f"{plug.port} {store} {point}\n"
        for point, (plug, store) in enumerate(zip(plugs, stores, strict=True))
    )
    done = subprocess.run(  # noqa: ASYNC221  the plugs live in threads of their own
        [sys.executable, "-m", "plugs.flasher"],
        input=orders,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    exits = dict(line.split() for line in done.stdout.splitlines())
    assert set(exits.values()) == {"-9"}, "each point was reached"
    went_through = [await _truth(plug, store) for plug, store in zip(plugs, stores, strict=True)]
    assert went_through == sorted(went_through), "from one point on it always went through"
    assert not went_through[0] and went_through[-1]


async def _truth(plug: SimulatedPlug, store: Path) -> bool:
    """Whether the plug runs the new version; fails when the report says anything else."""
    settled(plug)
    assert plug.asked("download_firmware") <= 1 and plug.device.update.flashes <= 1
    new = plug.sw_ver == NEW
    journal = StoreLog(FileStore(store))
    for row in await journal.unfinished():
        assert not row.live, "its process is gone"
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        ended, sentence = await aftermath.found(row, device, "UTC")
        told = "1.2.3 now: the flash went through" if new else "1.1.1, working: it was not flashed"
        assert ended and sentence.endswith(f"was interrupted here. It runs {told}.")
        await journal.finish(sentence)
    assert await journal.unfinished() == []
    assert plug.device.update.flashes == int(new), "the report starts nothing"
    return new


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("flashing", "It does not answer. Do not unplug it for 5 min, then check it."),
        ("download", "It does not answer; nothing was written to it."),
    ],
)
async def test_a_plug_that_does_not_answer_after_a_crash(last: str, expected: str) -> None:
    with SimulatedPlug() as plug:
        port = plug.port
    row = Unfinished("lamp", OLD, NEW, False, 0.0, last, False)
    device = Device("lamp", PlugAddress(host="127.0.0.1", port=port), 0.5)
    ended, sentence = await aftermath.found(row, device, "UTC")
    assert not ended
    assert sentence == f"lamp: the flash of 00:00 was interrupted here. {expected}"


async def test_a_plug_still_writing_after_a_crash_is_left_alone() -> None:
    with SimulatedPlug(fault="busy") as plug:
        row = Unfinished("lamp", OLD, NEW, False, 0.0, "flashing", False)
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        ended, sentence = await aftermath.found(row, device, "UTC")
    assert not ended
    assert sentence.endswith("It says it is updating. Do not unplug it.")
