"""The verb that flashes, as a process: alone, at a terminal, beside a daemon, after a crash."""

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
from tests.cli.devices_house import FILE, NEW, config_of, fill, modules, quick
from tests.cli.forked import Forker

from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug

ANN = {"unix": [LOGIN], "may": ["*"]}


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    with quick() as plug:
        yield plug


@pytest.fixture
def folder(tmp_path: Path, plug: SimulatedPlug) -> Path:
    return fill(tmp_path, plug)


@pytest.fixture
def verb(verbs: Forker, tmp_path: Path, folder: Path, plug: SimulatedPlug) -> Verb:
    """Run verbs in a house that has one plug and no daemon."""
    return partial(verbs.run, "-c", config_of(tmp_path, folder, plug))


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
    with quick(fault="refuse@flash:-19") as plug:
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
    return quick(rate=500_000, **nature)


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
