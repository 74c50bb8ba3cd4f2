"""The verb that flashes, as a process: alone, at a terminal, beside a daemon, after a crash."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyotp.totp import TOTP
from tests.cli.conftest import LOGIN, Verb
from tests.cli.devices_house import FILE, NEW, config_of, fill, modules, quick
from tests.cli.forked import Forker

from housecarl import config_file
from housecarl.cli import flash_handed, journal
from housecarl.cli.verb_store import VerbStore
from housecarl.config_file import Loaded
from housecarl.errors import HousecarlError, NotAllowed, Unreachable
from housecarl.journal import values
from housecarl.means import BACKGROUND
from housecarl.plugs import download
from housecarl.plugs.flash import PATIENCE
from housecarl.plugs.flash_log import StoreLog
from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug

ANN = {"unix": [LOGIN], "may": ["*"]}
#: of an authenticator app
SECRET = "JBSWY3DPEHPK3PXP" * 2


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


@pytest.mark.long
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


def test_a_flash_that_another_began_meanwhile_is_left_alone(
    verbs: Forker, plug: SimulatedPlug, folder: Path, tmp_path: Path
) -> None:
    """While somebody thought about it; as nothing was begun here, no owner is told of it."""
    owner = {"ann": {**ANN, "owner": True}}
    config = config_of(tmp_path, folder, plug, people=owner)
    store = VerbStore(config_file.load(config), "firmware")
    with verbs.at_terminal("-c", config, "firmware", "flash", "lamp") as (typist, flashing):
        typist.wait("Go on? [y/N]")
        assert asyncio.run(StoreLog(store).claim("fan", {"target": NEW}))
        os.write(typist.terminal, b"y\n")
        said = typist.rest()
        assert flashing.wait() == 75
    assert "Another flash is running. One at a time." in said
    assert plug.asked("download_firmware") == 0
    assert journal.read(store.loaded, lambda conn: values.everything(conn, BACKGROUND)) == {}


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


def test_a_plug_that_nobody_was_asked_about_is_not_flashed(
    verbs: Forker, verb: Verb, plug: SimulatedPlug, tmp_path: Path
) -> None:
    """Two plugs may swap their addresses while the question waits for its answer."""
    words = ("-c", tmp_path / "housecarl.yaml", "firmware", "flash", "lamp")
    with verbs.at_terminal(*words) as (typist, flashing):
        typist.wait("Flash lamp 1.1.1 to 1.2.3?")
        plug.device.mac = "50:C7:BF:99:99:99"
        typist.answer("Go on? [y/N]", "y")
        typist.wait("lamp: another plug answers at its address than when you were asked.")
        typist.rest()
        assert flashing.wait() == 1
    assert plug.asked("download_firmware") == 0


def slow(**nature: Any) -> SimulatedPlug:
    """A plug whose download takes 0.4 s."""
    return quick(rate=500_000, **nature)


@pytest.mark.long
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


@pytest.mark.long(after=2)
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
    with locked(tmp_path / "spool"):
        done = verb("firmware", "flash", "lamp", "--yes")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".journal"]


@contextmanager
def locked(spool: Path) -> Iterator[None]:
    """A daemon runs, as far as its lock tells."""
    lock = spool / ".journal" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.fixture
def asked(tmp_path: Path, folder: Path, plug: SimulatedPlug) -> Loaded:
    """The configuration of a house whose daemon may be asked by ann, through files."""
    more: dict[str, Any] = {"people": {"ann": ANN}, "doors": {"drop": {}}}
    return config_file.load(config_of(tmp_path, folder, plug, **more))


def test_a_daemon_is_asked_for_no_plug_that_cannot_be_typed(verbs: Forker, asked: Loaded) -> None:
    """A line end in a name would be a second command."""
    with locked(asked.config.spool):
        done = verbs.run("-c", asked.source.path, "firmware", "flash", "lamp\n!help", "--yes")
    assert (done.returncode, "named by what can be typed" in done.stderr) == (2, True)
    assert [path.name for path in asked.config.spool.iterdir()] == [".journal"]


def test_a_login_that_the_daemon_would_not_believe_asks_nothing(
    asked: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.config.spool.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    with pytest.raises(NotAllowed, match=r"^this login may not send as ann; see `people.ann.unix`"):
        flash_handed.flash(asked, "lamp", "", yes=True, person="ann")
    assert list(asked.config.spool.iterdir()) == []


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (False, "the daemon ended; `housecarl firmware check` tells how it went"),
        (True, "no end of the flash in 0 s; `housecarl firmware check` tells how it stands"),
    ],
    ids=["the daemon is gone", "it takes too long"],
)
def test_a_flash_whose_end_nobody_tells_is_not_watched_for_ever(
    asked: Loaded, monkeypatch: pytest.MonkeyPatch, runs: bool, said: str
) -> None:
    if runs:
        monkeypatch.setattr(flash_handed, "LONGEST", 0.0)
    log = StoreLog(VerbStore(asked, "firmware"))
    assert asyncio.run(log.claim("lamp", {"target": NEW, "receipt": "a4e0"}))
    running = locked(asked.config.spool) if runs else nullcontext()
    with running, pytest.raises(Unreachable) as ended:
        flash_handed._watched(asked, flash_handed.Asked("Flashing lamp.", "a4e0"))
    assert str(ended.value) == said


def test_the_slowest_plug_is_watched_to_its_end() -> None:
    slowest = download.LONGEST + 2 * (2 * download.LONGEST_TIME) + PATIENCE
    assert slowest < flash_handed.LONGEST


def test_the_flash_of_somebody_else_is_not_watched_as_ones_own(asked: Loaded) -> None:
    """Two who ask at the same moment: whoever came second hears that, not the other's verdict."""
    log = StoreLog(VerbStore(asked, "firmware"))
    told = "Another flash is running. One at a time."
    asyncio.run(log.claim("fan", {"target": NEW, "receipt": "a4e1"}))
    for _ in range(2):
        with pytest.raises(HousecarlError, match=told):
            flash_handed._watched(asked, flash_handed.Asked(told, "a4e0"))
        asyncio.run(log.finish("fan flashed: 1.1.1 > 1.2.3", done=True))


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


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[TestHouse, SimulatedPlug]]:
    """A running house with one plug; bo confirms with an app."""
    home = tmp_path_factory.mktemp("served")
    (home / "bo.totp").write_text(f"{SECRET}\n")
    (home / "bo.totp").chmod(0o600)
    people = {"ann": ANN, "bo": {"may": ["*"], "unix": ["bo"], "totp": {"file": "bo.totp"}}}
    with quick() as plug, TestHouse(home, people, modules(fill(home, plug), plug)) as house:
        yield house, plug


def test_whoever_says_no_takes_the_question_back(
    verbs: Forker, served: tuple[TestHouse, SimulatedPlug]
) -> None:
    house, plug = served
    words = ("-c", house.folder / "housecarl.yaml", "firmware", "flash", "lamp")
    with verbs.at_terminal(*words) as (typist, flashing):
        typist.answer("Go on? [y/N]", "n")
        typist.rest()
        assert flashing.wait() == 1
    house.settle()
    assert [line[5:] for line in house.log()][-2:] == [
        "ann firmware lamp flash: executed",
        "ann no: executed",
    ]
    assert plug.asked("download_firmware") == 0


@pytest.mark.long
def test_who_confirms_with_an_app_types_its_code(
    verbs: Forker, served: tuple[TestHouse, SimulatedPlug]
) -> None:
    """A wrong one begins nothing and says so; the right one flashes."""
    house, plug = served
    words = ("-c", house.folder / "housecarl.yaml", "firmware", "flash", "lamp", "--as", "bo")

    def typed(code: str) -> tuple[int, str]:
        with verbs.at_terminal(*words) as (typist, flashing):
            typist.answer("The code of your app:", code)
            said = typist.rest()
            return flashing.wait(), said

    code, said = typed("12345")
    assert (
        code,
        "Wrong code for firmware lamp flash. 2 tries left. Nothing was done." in said,
    ) == (1, True), said
    assert plug.asked("download_firmware") == 0
    code, said = typed(TOTP(SECRET).now())
    assert (code, "lamp flashed: 1.1.1 > 1.2.3 in " in said) == (0, True), said
