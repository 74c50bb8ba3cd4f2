"""A flash of the command line is killed: the daemon finds out and tells the owners, once."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.forked import Forked, Forker
from tests.cli.terminal import Typist
from tests.stories.talk import switch

from housecarl import recover
from housecarl.journal import JOURNAL, connect, values
from housecarl.means import BACKGROUND
from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
#: real seconds a second of the plug takes, and one of the house, which looks for longer
SCALE, PACE = 0.005, 0.02
ANN, BO = "ann@example.org", "bo@example.org"
PEOPLE = {
    "ann": {"phones": ["+13035550123"], "addresses": [ANN], "may": ["*"], "owner": True},
    "bo": {"addresses": [BO], "may": ["*"], "owner": True},
    "cy": {"addresses": ["cy@example.org"], "may": ["*"], "owner": True},
}
CUT_OFF = r"lamp: the flash of \d\d:\d\d was interrupted here\. "
NOT_FLASHED = CUT_OFF + r"It runs 1\.1\.1, working: it was NOT flashed\."
FLASHED = CUT_OFF + r"It runs 1\.2\.3 now: the flash went through\."


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    """Its download takes 0.4 s, its write 0.8 s: long enough to be killed in."""
    with SimulatedPlug(
        sw_ver=OLD, scale=SCALE, flash_time=160, reboot_time=20, rate=500_000
    ) as plug:
        yield plug


@pytest.fixture
def house(tmp_path: Path, plug: SimulatedPlug) -> Iterator[TestHouse]:
    """A house that was open once and is closed, with two owners, and one who is switched off."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    image = make_image([plug.device.nature.hw_id], NEW, 204_800)
    (folder / "new.bin").write_bytes(image)
    modules = {
        "plug": {"plugs": {"lamp": {"host": plug.host, "port": plug.port}}},
        "firmware": {"folder": str(folder), "pace": PACE},
    }
    with TestHouse(tmp_path, PEOPLE, modules) as house:
        switch(house, "cy", on=False)
        house.stop()
        yield house


@contextmanager
def flashing(verbs: Forker, house: TestHouse) -> Iterator[tuple[Typist, Forked]]:
    words = ("-c", house.folder / "housecarl.yaml", "firmware", "flash", "lamp", "--yes")
    with verbs.at_terminal(*words) as (typist, verb):
        yield typist, verb


def killed(verb: Forked) -> None:
    verb.send_signal(signal.SIGKILL)
    assert verb.wait() == -signal.SIGKILL


def told(house: TestHouse, sentence: str, ann: str = ANN) -> None:
    """Each owner got that sentence and nothing else, in a mail of its own and without an id."""
    house.inbox.wait(2)
    house.until(lambda: not noted(house))
    house.stop()
    house.start()
    house.settle()
    assert sorted(each.to for each in house.inbox.received) == sorted([ann, BO]), "told once"
    for each in house.inbox.received:
        first, *rest = each.text.splitlines()
        assert re.fullmatch(sentence, first), first
        assert not re.search(r"\b[Ll]og\b|[0-9a-f]{4}$", "\n".join(rest)), "nothing to look up"
        assert b"Log " not in each.raw
    assert len({each.mail["Message-ID"] for each in house.inbox.received}) == 2


def noted(house: TestHouse) -> list[str]:
    """What the journal says is under way in the background."""
    conn = connect(house.spool / JOURNAL, readonly=True)
    found = list(values.everything(conn, BACKGROUND))
    conn.close()
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    ("at", "sentence", "flashes"),
    [("downloading ", NOT_FLASHED, 0), ("writing, do not unplug", FLASHED, 1)],
    ids=["in the download", "after the commit"],
)
def test_killed_before_the_daemon_starts(
    verbs: Forker, house: TestHouse, plug: SimulatedPlug, at: str, sentence: str, flashes: int
) -> None:
    with flashing(verbs, house) as (typist, verb):
        typist.wait(at)
        killed(verb)
    assert len(noted(house)) == 2
    house.start()
    told(house, sentence)
    assert (plug.asked("download_firmware"), plug.device.update.flashes) == (1, flashes)


@pytest.mark.long
def test_killed_while_the_daemon_runs(
    verbs: Forker, house: TestHouse, plug: SimulatedPlug, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the plug is left alone; then the daemon tells it by itself."""
    monkeypatch.setattr(recover, "LOOK_SECONDS", 0.05)
    plug.device.nature = replace(plug.device.nature, rate=20_000)
    phone = house.phone()
    with flashing(verbs, house) as (typist, verb):
        typist.wait("downloading ")
        house.start()
        phone.text("!plug lamp off")
        assert (
            phone.reply
            == "lamp is being flashed to 1.2.3; do not unplug it. Nothing was \
switched."
        )
        assert noted(house) and plug.asked("set_relay_state") == 0
        killed(verb)
    house.inbox.received.clear()
    told(house, NOT_FLASHED, phone.address)
    assert (plug.asked("download_firmware"), plug.device.update.flashes) == (1, 0)
