"""The verbs that look at plugs and firmware, as processes; one house and one plug for all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import Verb
from tests.cli.devices_house import FILE, NEW, OLD, config_of, fill, quick
from tests.cli.forked import Forker

from housecarl import config_file
from housecarl.cli.verb_store import VerbStore
from housecarl.plugs.flash_log import StoreLog
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


def test_a_doctor_does_not_ask_a_plug_that_is_being_flashed(
    verbs: Forker, flashed: Path, plug: SimulatedPlug
) -> None:
    done = verbs.run("-c", flashed, "doctor", "--only", "plugs")
    assert "lamp at 127.0.0.1 is being flashed to 1.2.3; do not unplug it." in done.stdout
    assert plug.device.asked == []
