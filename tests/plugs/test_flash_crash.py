"""The house dies at any point of a flash: the next start tells the truth, and flashes nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from housecarl.plugs import aftermath
from housecarl.plugs.device import Device
from housecarl.plugs.download import Pace
from housecarl.plugs.flash_log import StoreLog, Unfinished
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

from .flasher import PACE, FileStore

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
#: before and after each write: claim, serve, download, downloaded, commit, flashing, back, relay,
#: meter, finish; on later hardware the download is the commit
KINDS = [
    pytest.param({"profile": "v1", "hw_ver": "1.0"}, 20, id="v1"),
    pytest.param({"profile": "v2", "hw_ver": "2.0", "emeter": "v2"}, 16, id="v2"),
    pytest.param(
        {"profile": "rtl", "hw_ver": "4.0", "emeter": "v2", "keep_open": True}, 16, id="rtl"
    ),
]


@pytest.fixture
def plugs(nature: dict[str, Any], points: int) -> Iterator[list[SimulatedPlug]]:
    with ExitStack() as stack:
        made = (SimulatedPlug(scale=PACE, sw_ver=OLD, **nature) for _ in range(points))
        yield [stack.enter_context(plug) for plug in made]


@pytest.mark.long
@pytest.mark.parametrize(("nature", "points"), KINDS)
async def test_killed_at_each_point_of_a_flash(
    plugs: list[SimulatedPlug], points: int, tmp_path: Path
) -> None:
    """kill -9; then the report is true, the claim is free again and the plug was told once."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    image = make_image([plugs[0].device.nature.hw_id], NEW, 204_800)
    (folder / "new.bin").write_bytes(image)
    stores = [tmp_path / f"{point}.json" for point in range(points)]
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
    both = zip(plugs, stores, strict=True)
    went_through = await asyncio.gather(*(_truth(plug, store) for plug, store in both))
    assert list(went_through) == sorted(went_through), "from one point on it always went through"
    assert not went_through[0] and went_through[-1]


async def _truth(plug: SimulatedPlug, store: Path) -> bool:
    """Whether the plug runs the new version; fails when the report says anything else."""
    journal = StoreLog(FileStore(store))
    for row in await journal.unfinished():
        assert not row.live, "its process is gone"
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        sentence = await aftermath.settled(journal, row, device, "UTC", Pace(PACE))
        told = "1.1.1, working: it was NOT flashed."
        if plug.sw_ver == NEW:
            told = "1.2.3 now: the flash went through."
        assert sentence.endswith(f"was interrupted here. It runs {told}")
    assert await journal.unfinished() == []
    assert plug.state == "up" and plug.device.update.flashes == int(plug.sw_ver == NEW)
    assert plug.asked("download_firmware") <= 1, "the report starts nothing"
    return plug.sw_ver == NEW


@pytest.mark.parametrize(
    ("last", "age", "ended", "expected"),
    [
        ("flashing", 1, False, "It does not answer. Do not unplug it for 5 min, then check it."),
        ("download", 1, False, "It does not answer; nothing was written to it."),
        ("flashing", aftermath.GIVEN_UP, True, "It still does not answer; check it by hand."),
        ("download", aftermath.GIVEN_UP, True, "It does not answer; nothing was written to it."),
    ],
)
async def test_a_plug_that_does_not_answer_after_a_crash(
    last: str, age: float, ended: bool, expected: str
) -> None:
    """One that never comes back keeps no other from being flashed for ever."""
    with SimulatedPlug() as plug:
        port = plug.port
    row = Unfinished("lamp", NEW, 0.0, last, False, at=time.time() - age)
    device = Device("lamp", PlugAddress(host="127.0.0.1", port=port), 0.5)
    sentence = f"lamp: the flash of 00:00 was interrupted here. {expected}"
    assert await aftermath.found(row, device, "UTC") == (ended, sentence)


async def test_a_plug_that_comes_back_later_than_the_house_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long power cut the Wi-Fi may start last; nobody is given up at the first look."""
    looked, found = asyncio.Event(), aftermath.found

    async def look(*args: Any, **more: Any) -> tuple[bool, str]:
        seen = await found(*args, **more)
        looked.set()
        return seen

    monkeypatch.setattr(aftermath, "found", look)
    store = FileStore(tmp_path / "store.json")
    began = time.time() - 2 * aftermath.GIVEN_UP
    row = {"plug": "lamp", "running": OLD, "target": NEW, "pid": 0, "started": began}
    await store.set("flash", {**row, "steps": [["flashing", "", began]]})
    journal = StoreLog(store)
    (left,) = await journal.unfinished()
    plug = SimulatedPlug(sw_ver=NEW).start()
    plug.stop()
    device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
    looking = asyncio.create_task(aftermath.settled(journal, left, device, "UTC", Pace(0.05)))
    await asyncio.wait_for(looked.wait(), 10)
    with SimulatedPlug(sw_ver=NEW, port=plug.port):
        assert (await looking).endswith("It runs 1.2.3 now: the flash went through.")


async def test_what_is_known_at_the_first_look_is_told_then_and_is_the_end_of_it(
    tmp_path: Path,
) -> None:
    """Nothing is said of a relay that is as it was."""
    store, at = FileStore(tmp_path / "store.json"), time.time()
    row = {"plug": "lamp", "target": NEW, "pid": 0, "started": at, "on": True}
    await store.set("flash", {**row, "steps": [["flashing", "", at]]})
    journal = StoreLog(store)
    (left,) = await journal.unfinished()
    with SimulatedPlug(sw_ver=NEW) as plug:
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        async with asyncio.timeout(20):  # it would look for 232 s
            told = await aftermath.settled(journal, left, device, "UTC", Pace())
    assert told.endswith("was interrupted here. It runs 1.2.3 now: the flash went through.")
    assert await journal.unfinished() == []


async def test_a_plug_that_stays_silent_is_told_when_the_look_is_over_and_left_open(
    tmp_path: Path,
) -> None:
    store, at = FileStore(tmp_path / "store.json"), time.time()
    row = {"plug": "lamp", "target": NEW, "pid": 0, "started": at}
    await store.set("flash", {**row, "steps": [["commit", "", at]]})
    journal = StoreLog(store)
    (left,) = await journal.unfinished()
    with SimulatedPlug() as plug:
        pass
    device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
    async with asyncio.timeout(20):
        told = await aftermath.settled(journal, left, device, "UTC", Pace(0.0002))
    assert told.endswith("It does not answer. Do not unplug it for 5 min, then check it.")
    assert await journal.unfinished() == [left]


async def test_a_plug_that_left_the_config_since_is_to_be_checked_by_hand() -> None:
    row = Unfinished("lamp", NEW, 0.0, "flashing", False)
    assert await aftermath.found(row, None, "UTC") == (
        True,
        "lamp: the flash of 00:00 was interrupted here."
        " It is not in the config any more; check it by hand.",
    )


@pytest.mark.parametrize("ended", [False, True])
async def test_a_plug_still_writing_after_a_crash_is_left_alone(ended: bool) -> None:
    at = time.time() - (aftermath.GIVEN_UP if ended else 1)
    with SimulatedPlug(fault="busy") as plug:
        row = Unfinished("lamp", NEW, 0.0, "flashing", False, at=at)
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        found, sentence = await aftermath.found(row, device, "UTC")
    assert found is ended
    assert sentence.endswith("It says it is updating. Do not unplug it.")


@pytest.mark.parametrize("skew", [0.0, 600.0], ids=["", "clock set back since"])
@pytest.mark.parametrize(("last", "ended"), [("commit", False), ("download", True)])
async def test_a_plug_told_to_write_is_not_called_unflashed_too_soon(
    last: str, ended: bool, skew: float
) -> None:
    with SimulatedPlug(sw_ver=OLD) as plug:
        row = Unfinished("lamp", NEW, 0.0, last, False, at=time.time() + skew)
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        assert (await aftermath.found(row, device, "UTC"))[0] is ended


async def test_another_device_at_the_address_and_a_relay_that_changed_are_told() -> None:
    with SimulatedPlug(sw_ver=NEW, relay=False) as plug:
        device = Device("lamp", PlugAddress(host=plug.host, port=plug.port))
        mac = (await device.identity()).mac
        row = Unfinished("lamp", NEW, 0.0, "flashing", False, "", mac, True)
        assert (await aftermath.found(row, device, "UTC"))[1].endswith(
            "It runs 1.2.3 now: the flash went through. It was on and is off now."
        )
        old = await aftermath.found(row._replace(target="1.3.0"), device, "UTC")
        assert old[1].endswith("working: it was NOT flashed. It was on and is off now.")
        ended, sentence = await aftermath.found(row._replace(mac="other"), device, "UTC")
    assert ended and sentence.endswith("Another device answers at its address; check it by hand.")
