"""The verbs about plugs and firmware, as processes against simulated plugs."""

from __future__ import annotations

import fcntl
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.conftest import LOGIN, Verb
from tests.cli.forked import Forker, forker

from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
FILE = "hs110v1_us_1.2.3_Build_170508_Rel.162000_2017-05-26_18.06.53.bin"
#: real seconds a second of plug and house takes
PACE = 0.005
ANN = {"unix": [LOGIN], "may": ["*"]}


@pytest.fixture(scope="module")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Verbs as processes that start at once."""
    with forker(tmp_path_factory.mktemp("verbs")) as ready:
        yield ready


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    """The plug of the post, quick; its image is newer than what it runs."""
    with SimulatedPlug(alias="den", sw_ver=OLD, scale=PACE, flash_time=22, reboot_time=7) as plug:
        yield plug


@pytest.fixture
def folder(tmp_path: Path, plug: SimulatedPlug) -> Path:
    """A firmware folder with one good image."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    image = make_image([plug.device.nature.hw_id], NEW, 204_800, readable=False)
    (folder / FILE).write_bytes(image)
    return folder


def modules(folder: Path, *plugs: SimulatedPlug, pause: float = 0.1) -> dict[str, Any]:
    """The sections of a house with plugs: lamp, then the others."""
    names = ("lamp", "fan")
    listed = {
        name: {"host": each.host, "port": each.port}
        for name, each in zip(names, plugs, strict=False)
    }
    return {
        "plug": {"plugs": listed, "recheck": pause, "patience": 0.5},
        "firmware": {"folder": str(folder), "pace": PACE},
    }


def config_of(home: Path, folder: Path, plug: SimulatedPlug) -> Path:
    """The configuration of a house that has one plug."""
    config = home / "housecarl.yaml"
    config.write_text(yaml.safe_dump({"spool": "spool", "modules": modules(folder, plug)}))
    return config


@pytest.fixture
def verb(verbs: Forker, tmp_path: Path, folder: Path, plug: SimulatedPlug) -> Verb:
    """Run verbs in a house that has one plug and no daemon."""
    return partial(verbs.run, "-c", config_of(tmp_path, folder, plug))


def test_a_network_is_searched_and_the_name_in_the_configuration_told(
    verb: Verb, plug: SimulatedPlug
) -> None:
    done = verb("plugs", "find", "127.0.0.0/29", "--port", str(plug.port))
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        '127.0.0.1 "den" HS110(US) 1.0, firmware 1.1.1, 50:C7:BF:01:02:03,'
        " lamp in the configuration\n"
    )
    assert done.stderr == "", "no bar where there is no terminal"


@pytest.mark.parametrize(
    ("network", "code", "said"),
    [
        ("8.8.8.0/24", 2, "8.8.8.0/24 is not private; only private networks are searched."),
        ("10.0.0.0/8", 2, "10.0.0.0/8 has 16777216 addresses, 4096 at most."),
        ("127.0.0.2/32", 1, "No plug in 127.0.0.2/32."),
    ],
)
def test_what_cannot_be_searched_is_told(verb: Verb, network: str, code: int, said: str) -> None:
    done = verb("plugs", "find", network, "--port", "1")
    assert (done.returncode, said in done.stderr, done.stdout) == (code, True, ""), done.stderr


def test_plugs_are_listed_with_what_each_says_now(
    verb: Verb, tmp_path: Path, plug: SimulatedPlug
) -> None:
    with SimulatedPlug(fault="silent") as silent, SimulatedPlug(glitch_watts=28417) as wrong:
        sections = modules(tmp_path, plug, silent, pause=0)
        sections["plug"]["plugs"]["heater"] = {"host": wrong.host, "port": wrong.port}
        config = tmp_path / "housecarl.yaml"
        config.write_text(yaml.safe_dump({"spool": "spool", "modules": sections}))
        done = verb("plugs", "list")
    assert done.returncode == 1, "one is silent, one cannot be right"
    assert done.stdout.splitlines() == [
        "fan 127.0.0.1: does not answer.",
        "heater 127.0.0.1: on, 0.31 kWh today, HS110(US) 1.0, firmware 1.1.1, -52 dBm. The meter"
        " is wrong: it reports 28417 W, over its 1875 W limit.",
        "lamp 127.0.0.1: on, 43.0 W, 0.31 kWh today, HS110(US) 1.0, firmware 1.1.1, -52 dBm",
    ]


def test_images_are_listed_with_what_they_say(verb: Verb, folder: Path) -> None:
    (folder / "page.bin").write_bytes(b"<html>" * 20_000)
    done = verb("firmware", "list")
    assert done.returncode == 0, done.stderr
    image, version, model, size, page, why = done.stdout.splitlines()
    assert (image, page) == (FILE, "page.bin")
    assert version == f"    {NEW}, said by its name"
    assert model == "    HS110(US) hardware 1, hardware id 60FF6B258734EA6880E186F8C96DDC61"
    assert re.fullmatch(r"    204800 bytes, sha256 [0-9a-f]{12}, signature not checked", size)
    assert why == "    no image: page.bin is not a TP-Link firmware image."


def test_a_check_changes_nothing_and_says_why_not(
    verb: Verb, plug: SimulatedPlug, tmp_path: Path
) -> None:
    done = verb("firmware", "check", "lamp")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lamp can be flashed 1.1.1 to 1.2.3.\n")
    asked = {name for _, name in plug.device.asked}
    assert asked == {"get_sysinfo", "get_download_state", "get_realtime"}
    assert not (tmp_path / "spool").exists()
    plug.device.sw_ver = NEW
    again = verb("firmware", "check", "lamp")
    assert (again.returncode, again.stderr) == (1, "lamp: already runs 1.2.3. Nothing was done.\n")


def test_words_that_mean_no_plug_or_no_folder_are_usage_errors(verb: Verb) -> None:
    done = verb("firmware", "check", "lmap")
    assert (done.returncode, "Did you mean lamp?" in done.stderr) == (2, True)
    done = verb("firmware", "flash", "lamp", "/etc/passwd", "--yes")
    assert (done.returncode, "is not in the firmware folder" in done.stderr) == (2, True)
    done = verb("firmware", "flash", "lamp")
    assert (done.returncode, "give --yes" in done.stderr) == (2, True)


def test_a_silent_plug_cannot_be_reached(verb: Verb, plug: SimulatedPlug) -> None:
    plug.stop()
    done = verb("firmware", "check", "lamp")
    assert (done.returncode, done.stderr) == (69, "lamp does not answer. Nothing was done.\n")


def test_without_a_daemon_it_is_flashed_here(verb: Verb, plug: SimulatedPlug, folder: Path) -> None:
    done = verb("firmware", "flash", "lamp", str(folder / FILE), "--yes")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d+ s\. It was on and is on again\."
        r" Meter now reads 43 W\.\n",
        done.stdout,
    )
    assert (plug.sw_ver, plug.device.update.flashes) == (NEW, 1)


def test_a_flash_that_fails_ends_with_1_and_says_what_is_left(
    verbs: Forker, folder: Path, tmp_path: Path
) -> None:
    with SimulatedPlug(sw_ver=OLD, scale=PACE, fault="refuse@flash:-19") as plug:
        config = config_of(tmp_path, folder, plug)
        done = verbs.run("-c", config, "firmware", "flash", "lamp", "--yes")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("lamp NOT flashed: the plug refused the file: ")
        assert done.stderr.endswith("Still on 1.1.1, working.\n")


def test_a_terminal_is_asked_first(
    verb: Verb, verbs: Forker, plug: SimulatedPlug, tmp_path: Path
) -> None:
    words = ("-c", tmp_path / "housecarl.yaml", "firmware", "flash", "lamp")
    with verbs.at_terminal(*words) as (typist, flashing):
        typist.wait("Flash lamp 1.1.1 to 1.2.3? It goes off for 2 min.")
        typist.answer("Go on? [y/N]", "n")
        typist.rest()
        assert flashing.wait() == 1
    assert plug.asked("download_firmware") == 0


def slow(**nature: Any) -> SimulatedPlug:
    """A plug whose download takes 0.4 s."""
    return SimulatedPlug(
        sw_ver=OLD, scale=PACE, flash_time=22, reboot_time=7, rate=500_000, **nature
    )


def test_a_bar_moves_on_a_terminal_and_a_second_flash_is_refused(
    verbs: Forker, folder: Path, tmp_path: Path
) -> None:
    """The first goes on undisturbed, also by Ctrl-C and a lost connection."""
    with slow() as plug:
        words = ("-c", config_of(tmp_path, folder, plug), "firmware", "flash", "lamp", "--yes")
        with verbs.at_terminal(*words) as (typist, flashing):
            typist.wait("downloading ")
            typist.wait("%")
            flashing.send_signal(signal.SIGHUP)
            flashing.send_signal(signal.SIGINT)
            typist.wait("that goes on")
            second = verbs.run(*words)
            assert second.stderr == "lamp is being flashed to 1.2.3. Do not unplug.\n"
            assert second.returncode == 75
            typist.wait("lamp flashed: ")
            typist.rest()
            assert flashing.wait() == 0
        assert plug.asked("download_firmware") == 1


def settled(plug: SimulatedPlug) -> None:
    """Wait until the plug has noticed that nobody serves it any more."""
    until = time.monotonic() + 10
    while plug.device.update.active:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_after_a_crash_the_truth_is_told_and_nothing_begun(
    verbs: Forker, folder: Path, tmp_path: Path
) -> None:
    with slow() as plug:
        house = ("-c", config_of(tmp_path, folder, plug), "firmware")
        with verbs.at_terminal(*house, "flash", "lamp", "--yes") as (typist, flashing):
            typist.wait("downloading ")
            flashing.send_signal(signal.SIGKILL)
            assert flashing.wait() == -signal.SIGKILL
        settled(plug)
        checked = verbs.run(*house, "check", "lamp")
        assert "was interrupted here. It runs 1.1.1, working" in checked.stderr
        flashed = verbs.run(*house, "flash", "lamp", "--yes")
        assert (flashed.returncode, flashed.stderr) == (1, checked.stderr.splitlines()[0] + "\n")
        assert plug.asked("download_firmware") == 1
        assert "interrupted" not in verbs.run(*house, "check", "lamp").stderr


@pytest.mark.parametrize(
    ("ann", "more", "code", "said"),
    [
        (ANN, {}, 78, "the daemon takes no files"),
        ({"unix": [LOGIN], "may": ["plug"]}, {"doors": {"drop": {}}}, 77, "may not use firmware"),
        ({"phones": ["+13035550123"], "may": ["*"]}, {"doors": {"drop": {}}}, 2, "with --as"),
        ({**ANN, "totp": {"env": "TOTP"}}, {"doors": {"drop": {}}}, 77, "confirms with an app"),
    ],
)
def test_a_running_daemon_is_asked_only_as_somebody_who_may(
    verb: Verb, tmp_path: Path, ann: dict[str, Any], more: dict[str, Any], code: int, said: str
) -> None:
    config = tmp_path / "housecarl.yaml"
    whole = yaml.safe_load(config.read_text()) | {"people": {"ann": ann}} | more
    config.write_text(yaml.safe_dump(whole))
    lock = tmp_path / "spool" / ".journal" / "lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = verb("firmware", "flash", "lamp", "--yes")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".journal"]


def test_a_running_daemon_flashes_and_is_watched(
    verbs: Forker, folder: Path, plug: SimulatedPlug, tmp_path: Path
) -> None:
    config = tmp_path / "housecarl.yaml"
    verb = partial(verbs.run, "-c", config)
    with (
        slow(mac="50:C7:BF:01:02:04") as fan,
        TestHouse(tmp_path, {"ann": ANN}, modules(folder, plug, fan)) as house,
    ):
        done = verb("firmware", "flash", "lamp", "--yes")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("lamp flashed: 1.1.1 > 1.2.3 in ")
        assert "Flashing lamp. Do not unplug." in done.stderr
        house.settle()
        assert [line[5:] for line in house.log()] == ["ann firmware lamp flash: executed"] * 2
        again = verb("firmware", "flash", "lamp", "--yes")
        assert (again.returncode, "already runs 1.2.3" in again.stderr) == (1, True)
        assert verb("firmware", "flash", "lamp", "--yes", "--as", "eve").returncode == 2
        words = ("-c", config, "firmware", "flash", "fan", folder / FILE)
        with verbs.at_terminal(*words) as (typist, flashing):
            typist.wait("Flash fan 1.1.1 to 1.2.3? It goes off for 2 min. ")
            typist.answer("Go on?", "y")
            typist.wait("downloading ")
            typist.wait("fan flashed: ")
            typist.rest()
            assert flashing.wait() == 0
        assert (plug.device.update.flashes, fan.device.update.flashes) == (1, 1)
