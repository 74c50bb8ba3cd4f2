"""The verbs that look at plugs and firmware, as processes; one house and one plug for all."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import yaml
from click.testing import CliRunner
from tests.cli.conftest import Verb
from tests.cli.devices_house import FILE, NEW, OLD, config_of, fill, quick
from tests.cli.forked import Forker
from tests.nobody import needs_root, nobody

from housecarl import cli, config_file
from housecarl.cli import firmware
from housecarl.cli.verb_store import VerbStore
from housecarl.journal import JOURNAL
from housecarl.plugs import find, flash_log
from housecarl.plugs.cloud import CloudReady
from housecarl.plugs.device import Identity
from housecarl.plugs.flash_log import StoreLog
from housecarl.plugs.meter import Judgement, Reading
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.tapo import NewDevice
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import TEST_KEY, make_image


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def den() -> Iterator[SimulatedPlug]:
    with quick() as plug:
        yield plug


@pytest.fixture
def plug(den: SimulatedPlug) -> SimulatedPlug:
    """The plug, as if nobody had asked it anything yet."""
    den.device.asked.clear()
    return den


@pytest.fixture(scope="module")
def folder(home: Path, den: SimulatedPlug) -> Path:
    return fill(home, den)


@pytest.fixture(scope="module")
def verb(verbs: Forker, home: Path, folder: Path, den: SimulatedPlug) -> Verb:
    """Run verbs in a house that has one plug and no daemon."""
    return partial(verbs.run, "-c", config_of(home, folder, den))


@pytest.mark.long
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


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login and a folder of no house."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HOUSECARL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("nowhere")
def test_without_a_house_each_plug_that_is_found_is_new(verbs: Forker, plug: SimulatedPlug) -> None:
    words = ("plugs", "find", "127.0.0.1/32", "--port", plug.port)
    done = verbs.run(*words)
    assert (done.returncode, done.stderr) == (
        0,
        "A new one gets its name under `modules: plug: plugs:`.\n",
    )
    assert done.stdout == '127.0.0.1 "den" HS110(US) 1.0, firmware 1.1.1, 50:C7:BF:01:02:03\n'
    done = verbs.run("-c", "none.yaml", *words)
    assert (done.returncode, done.stdout) == (78, ""), "a house that is named must be there"
    assert "none.yaml: no such file" in done.stderr


@needs_root
@pytest.mark.long
@pytest.mark.usefixtures("nowhere")
def test_beside_a_house_that_this_login_may_not_see_plugs_are_found_all_the_same(
    plug: SimulatedPlug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To search takes no configuration, and root has loaded here what the login runs."""
    place = tmp_path / "etc" / "housecarl.yaml"
    place.parent.mkdir(mode=0o700)
    place.write_text("house: Elm\n")
    words = ["plugs", "find", "127.0.0.1/32", "--port", str(plug.port)]
    seen = CliRunner().invoke(cli.housecarl, words)
    monkeypatch.setattr(config_file, "SERVICE_FILE", place)
    with nobody():
        done = CliRunner().invoke(cli.housecarl, words)
    assert (done.exit_code, done.output) == (0, seen.output)


def test_a_plug_of_the_house_is_no_new_one(verb: Verb, plug: SimulatedPlug) -> None:
    done = verb("plugs", "find", "127.0.0.1/32", "--port", plug.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(", lamp in the configuration\n")


def networks() -> dict[str, list[Any]]:
    """What psutil tells of a machine with two private networks, one of them met twice."""

    def one(broadcast: str | None, family: int = socket.AF_INET) -> SimpleNamespace:
        return SimpleNamespace(family=family, broadcast=broadcast)

    return {
        "lo": [one(None), one(None, socket.AF_INET6)],
        "eth0": [one("203.0.113.255"), one("10.1.255.255"), one("fe80::ff", socket.AF_INET6)],
        "wlan0": [one("192.168.1.255")],
        "bridge": [one("192.168.1.255")],
    }


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("fault", "code", "out", "err"),
    [
        ("", 0, '127.0.0.1 "den" HS110(US) 1.0, firmware 1.1.1, ', "A new one gets its name "),
        ("udp_lost", 1, "", "No plug answered the broadcast. In another network? `housecarl "),
    ],
    ids=["one answers", "none answers"],
)
def test_a_broadcast_goes_into_each_private_network_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, fault: str, code: int, out: str, err: str
) -> None:
    """Once into each; here the datagrams stay on loopback, and are waited for a shorter time."""
    asked: list[str] = []
    broadcast, seconds = find.broadcast, 0.06 if fault else 0.3

    async def near(targets: list[str], *, port: int) -> list[find.Found]:
        asked.extend(targets)
        return await broadcast(["127.0.0.1"], port=port, seconds=seconds)

    monkeypatch.setattr(find, "broadcast", near)
    monkeypatch.setattr(find, "LISTEN_SECONDS", 0.06)
    monkeypatch.setattr(psutil, "net_if_addrs", networks)
    with quick(fault=fault) as plug:
        words = ["plugs", "find", "--port", str(plug.port)]
        done = CliRunner().invoke(cli.housecarl, words)
    assert (done.exit_code, done.stdout[: len(out)], done.stderr[: len(err)]) == (code, out, err)
    assert asked == ["255.255.255.255", "10.1.255.255", "192.168.1.255"]


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


def test_plugs_are_listed_with_what_each_says_now(verbs: Forker, tmp_path: Path) -> None:
    plugs = SimulatedPlug(), SimulatedPlug(fault="silent"), SimulatedPlug(glitch_watts=28417)
    with plugs[0], plugs[1], plugs[2]:
        done = verbs.run("-c", config_of(tmp_path, tmp_path, *plugs), "plugs", "list")
    assert done.returncode == 1, "one is silent, one cannot be right"
    assert done.stdout.splitlines() == [
        "fan 127.0.0.1: does not answer.",
        "heater 127.0.0.1: on, 0.31 kWh today, HS110(US) 1.0, firmware 1.1.1, -52 dBm. The meter"
        " is wrong: it reports 28417 W, over its 1875 W limit.",
        "lamp 127.0.0.1: on, 43.0 W, 0.31 kWh today, HS110(US) 1.0, firmware 1.1.1, -52 dBm",
    ]


def test_a_house_without_plugs_says_how_it_gets_some(verbs: Forker, tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\n")
    done = verbs.run("-c", config, "plugs", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "No plugs: add one under `modules: plug: plugs:`. `housecarl plugs find`\n"
    )


def test_a_plug_without_a_meter_is_listed_without_numbers_also_beside_a_damaged_journal(
    verbs: Forker, tmp_path: Path
) -> None:
    """Who cannot know that a plug is being flashed asks it all the same."""
    with quick(emeter="none") as plug:
        config = config_of(tmp_path, tmp_path, plug)
        journal = tmp_path / "spool" / JOURNAL
        journal.parent.mkdir(parents=True)
        journal.write_bytes(b"no journal" * 1000)
        done = verbs.run("-c", config, "plugs", "list")
    assert (done.returncode, done.stdout) == (
        0,
        "lamp 127.0.0.1: on, HS110(US) 1.0, firmware 1.1.1, -52 dBm\n",
    ), done.stderr


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{}", "no firmware folder; write `firmware: {folder: FOLDER}` under `modules`"),
        ("{firmware: {foldre: x}}", "unknown key 'foldre'; did you mean 'folder'?"),
    ],
)
def test_firmware_verbs_say_what_the_configuration_lacks(
    verbs: Forker, tmp_path: Path, written: str, said: str
) -> None:
    config = tmp_path / "house.yaml"
    config.write_text(f"spool: spool\nmodules: {written}\n")
    done = verbs.run("-c", config, "firmware", "list")
    assert (done.returncode, done.stdout, said in done.stderr) == (78, "", True), done.stderr


def test_an_empty_firmware_folder_is_said_to_be_empty(
    verbs: Forker, plug: SimulatedPlug, tmp_path: Path
) -> None:
    folder = tmp_path / "firmware"
    folder.mkdir()
    done = verbs.run("-c", config_of(tmp_path, folder, plug), "firmware", "list")
    assert (done.returncode, done.stdout) == (0, f"No firmware files in {folder}.\n")


def entry(file: str, image: bytes, version: str = NEW) -> dict[str, str]:
    """What the manifest says of an image."""
    said = {"model": "HS110(US)", "hardware": "1.0", "version": version}
    return {"file": file, "sha256": hashlib.sha256(image).hexdigest(), **said}


def test_images_are_listed_with_what_header_name_and_manifest_say(
    verbs: Forker, plug: SimulatedPlug, tmp_path: Path
) -> None:
    """Each with its sha256, checked or not; what will be refused says so."""
    folder = fill(tmp_path, plug)
    image = (folder / FILE).read_bytes()
    readable = make_image(["A" * 32, "B" * 32], NEW, 120_000)
    (folder / "a.bin").write_bytes(image)
    (folder / "b.bin").write_bytes(readable)
    (folder / "c.bin").write_bytes(image)
    (folder / "d.bin").write_bytes(b"<html>" * 20_000)
    (folder / "e.bin").write_bytes(image)
    said = [entry("a.bin", image), entry("e.bin", readable), entry("f.bin", image)]
    (folder / "manifest.yaml").write_text(yaml.safe_dump(said))
    done = verbs.run("-c", config_of(tmp_path, folder, plug), "firmware", "list")
    assert (done.returncode, done.stderr) == (0, "")
    own, other = plug.device.nature.hw_id, hashlib.sha256(readable).hexdigest()
    digest, size = hashlib.sha256(image).hexdigest(), "204800 bytes, signature not checked"
    assert done.stdout.splitlines() == [
        "a.bin",
        f"    {NEW}, said by manifest.yaml",
        f"    HS110(US) hardware 1.0, hardware id {own}",
        f"    {size}",
        f"    sha256 {digest}, as in manifest.yaml",
        "b.bin",
        f"    {NEW}, read in it",
        f"    model not told, hardware id {'A' * 32}, {'B' * 32}",
        "    120000 bytes, signature not checked",
        f"    sha256 {other}, not checked: not in manifest.yaml",
        "c.bin",
        "    tells no version: not flashed until manifest.yaml describes it",
        f"    model not told, hardware id {own}",
        f"    {size}",
        f"    sha256 {digest}, not checked: not in manifest.yaml",
        FILE,
        f"    {NEW}, said by its name",
        f"    HS110(US) hardware 1, hardware id {own}",
        f"    {size}",
        f"    sha256 {digest}, not checked: not in manifest.yaml",
        "d.bin",
        "    refused: d.bin is not a TP-Link firmware image.",
        "e.bin",
        "    refused: e.bin is not the file of the manifest: its sha256 differs.",
        "f.bin",
        "    refused: There is no firmware file f.bin.",
    ]


def test_with_the_vendors_key_each_signature_is_checked(
    verbs: Forker, plug: SimulatedPlug, tmp_path: Path
) -> None:
    folder = fill(tmp_path, plug)
    altered = bytearray((folder / FILE).read_bytes())
    altered[-1] ^= 1
    (folder / "altered.bin").write_bytes(altered)
    (folder / "vendor.key").write_text(f"{TEST_KEY.modulus:0256x}\n")
    config = config_of(tmp_path, folder, plug)
    whole = yaml.safe_load(config.read_text())
    whole["modules"]["firmware"]["key"] = str(folder / "vendor.key")
    config.write_text(yaml.safe_dump(whole))
    lines = verbs.run("-c", config, "firmware", "list").stdout.splitlines()
    assert [line.strip() for line in lines if " bytes, " in line] == [
        "204800 bytes, NOT signed by the vendor",
        "204800 bytes, signature good",
    ]


def test_a_check_changes_nothing_and_says_why_not(
    verb: Verb, plug: SimulatedPlug, home: Path
) -> None:
    done = verb("firmware", "check", "lamp")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lamp can be flashed 1.1.1 to 1.2.3.\n")
    asked = {name for _, name in plug.device.asked}
    assert asked == {"get_sysinfo", "get_download_state", "get_realtime"}
    assert not (home / "spool").exists()
    plug.device.sw_ver = NEW
    again = verb("firmware", "check", "lamp")
    plug.device.sw_ver = OLD
    assert (again.returncode, again.stderr) == (1, "lamp: already runs 1.2.3. Nothing was done.\n")


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("nature", "load"),
    [
        ({}, "43 W"),
        ({"emeter": "none"}, None),
        (
            {"glitch_watts": 28417.0},
            "not known: the plug reports 28417 W, over its 1875 W limit",
        ),
    ],
    ids=["a meter", "no meter", "a broken meter"],
)
def test_a_check_tells_the_load_or_why_it_is_not_known(
    verbs: Forker, folder: Path, tmp_path: Path, nature: dict[str, Any], load: str | None
) -> None:
    with quick(**nature) as plug:
        done = verbs.run("-c", config_of(tmp_path, folder, plug), "firmware", "check", "lamp")
    assert (done.returncode, done.stderr) == (0, "")
    told = [line.split(None, 1) for line in done.stdout.splitlines()]
    assert [rest for word, rest in told if word == "load"] == ([load] if load else [])


def test_what_the_cloud_offers_is_shown_without_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A plug that updates itself from there; this one's meter gives no reading."""
    new = "1.3.1 Build 240115 Rel.110212"
    old, mac = "1.3.0 Build 230905 Rel.152200", "AA:BB:CC:01:02:03"
    seen = Identity("P110(US)", "1.0", old, "", mac, "den", -50, True, False, True)
    den = NewDevice("den", PlugAddress(host="127.0.0.1"), 1.0)
    firmware._show_ready(CloudReady(den, seen, new, Judgement(Reading(None)), den, True))
    assert capsys.readouterr().out.splitlines() == [
        "den can be flashed 1.3.0 to 1.3.1.",
        f"    plug      P110(US) 1.0, runs {old}, -50 dBm",
        f"    from      the TP-Link cloud, {new}",
        "    load      not known: the plug gives no reading",
    ]


def test_one_plug_is_checked_at_a_time(
    verbs: Forker, plug: SimulatedPlug, folder: Path, tmp_path: Path
) -> None:
    with SimulatedPlug(alias="other") as other:
        config = config_of(tmp_path, folder, plug, other)
        done = verbs.run("-c", config, "firmware", "check", "all")
    assert (done.returncode, "one plug at a time" in done.stderr) == (2, True)
    assert plug.device.asked == other.device.asked == []


def test_words_that_mean_no_plug_or_no_folder_are_usage_errors(verb: Verb) -> None:
    done = verb("firmware", "check", "lmap")
    assert (done.returncode, "Did you mean lamp?" in done.stderr) == (2, True)
    done = verb("firmware", "flash", "lamp", "/etc/passwd", "--yes")
    assert (done.returncode, "is not in the firmware folder" in done.stderr) == (2, True)
    done = verb("firmware", "flash", "lamp")
    assert (done.returncode, "give --yes" in done.stderr) == (2, True)


def test_a_silent_plug_cannot_be_reached(verbs: Forker, tmp_path: Path, folder: Path) -> None:
    with quick() as gone:
        config = config_of(tmp_path, folder, gone)
    done = verbs.run("-c", config, "firmware", "check", "lamp")
    assert (done.returncode, done.stderr) == (69, "lamp does not answer. Nothing was done.\n")


@pytest.fixture
def flashed(plug: SimulatedPlug, folder: Path, tmp_path: Path) -> Path:
    """The configuration of a house whose lamp is being flashed by this very process."""
    config = config_of(tmp_path, folder, plug)
    log = StoreLog(VerbStore(config_file.load(config), "firmware"))
    assert asyncio.run(log.claim("lamp", {"target": NEW}))
    return config


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (
            ("plugs", "list"),
            0,
            "lamp 127.0.0.1: is being flashed to 1.2.3; do not unplug it.\n",
            "",
        ),
        (
            ("plugs", "find", "127.0.0.1/32", "--port", "PORT"),
            1,
            "",
            "127.0.0.1 lamp is being flashed to 1.2.3; do not unplug it.\n"
            "No plug in 127.0.0.1/32.\n",
        ),
        (
            ("firmware", "check", "lamp"),
            75,
            "",
            "lamp is being flashed to 1.2.3. Do not unplug.\n",
        ),
        (
            ("firmware", "flash", "lamp", "--yes"),
            75,
            "",
            "lamp is being flashed to 1.2.3. Do not unplug.\n",
        ),
    ],
    ids=["list", "find", "check", "flash"],
)
def test_a_plug_that_is_being_flashed_is_left_alone_by_every_verb(
    verbs: Forker,
    flashed: Path,
    plug: SimulatedPlug,
    words: tuple[str, ...],
    code: int,
    out: str,
    err: str,
) -> None:
    served = plug.served
    given = (str(plug.port) if word == "PORT" else word for word in words)
    done = verbs.run("-c", flashed, *given)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)
    assert (plug.device.asked, plug.served) == ([], served), "no second connection"


@pytest.mark.long
def test_a_plug_that_may_be_writing_cannot_be_flashed_and_is_asked_for_no_more_than_who_it_is(
    verbs: Forker, plug: SimulatedPlug, folder: Path, tmp_path: Path
) -> None:
    """Its flash was ordered by a process that is gone: `check` said that it could be flashed."""
    config = config_of(tmp_path, folder, plug)
    begun = time.time()
    row = {"plug": "lamp", "target": NEW, "started": begun, "steps": [["commit", "", begun]]}
    asyncio.run(VerbStore(config_file.load(config), "firmware").set(flash_log.KEY, row))
    for words in (("check", "lamp"), ("flash", "lamp", "--yes")):
        done = verbs.run("-c", config, "firmware", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("It still runs 1.1.1 and may be writing. Do not unplug it.\n")
    assert len(plug.device.asked) == 2


def test_a_search_leaves_it_alone_also_where_it_is_configured_by_a_host_name(
    verbs: Forker, flashed: Path, plug: SimulatedPlug
) -> None:
    flashed.write_text(flashed.read_text().replace("127.0.0.1", "localhost"))
    done = verbs.run("-c", flashed, "plugs", "find", "127.0.0.1/32", "--port", str(plug.port))
    assert done.stderr.startswith("127.0.0.1 lamp is being flashed to 1.2.3; do not unplug it.\n")
    assert plug.device.asked == []


def test_a_doctor_does_not_ask_a_plug_that_is_being_flashed(
    verbs: Forker, flashed: Path, plug: SimulatedPlug
) -> None:
    done = verbs.run("-c", flashed, "doctor", "--only", "plugs")
    assert "lamp at 127.0.0.1 is being flashed to 1.2.3; do not unplug it." in done.stdout
    assert plug.device.asked == []
