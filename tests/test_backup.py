"""A backup is the two places that docs/backup.md names; restored, the house knows what it knew."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from housecarl.journal import JOURNAL
from housecarl.testing.house import TestHouse

PAGE = (Path(__file__).parents[1] / "docs" / "backup.md").read_text()

MODULE = '''
from pathlib import Path
from housecarl import Call, Risk, command

@command(risk=Risk.CHANGE)
def ring(call: Call) -> str:
    """Ring the bell."""
    with Path({path!r}).open("a") as bell:
        bell.write("x")
    return "Rang."
'''


@pytest.fixture
def bell(tmp_path: Path) -> Path:
    return tmp_path / "bell"


@pytest.fixture
def house(tmp_path: Path, bell: Path) -> Iterator[TestHouse]:
    for folder in ("old", "new", "mine"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine" / "ring.py").write_text(MODULE.format(path=str(bell)))
    with TestHouse(tmp_path / "old", modules={"folders": [str(tmp_path / "mine")]}) as house:
        yield house


def texted(house: TestHouse) -> bytes:
    """A text that was answered, as it came."""
    raw = house.carrier.text(house.phone().number, "!ring", house.clock.now())
    send(house, raw)
    assert house.inbox.wait(1)[0].text == "Rang."
    house.settle()
    return raw


def send(house: TestHouse, raw: bytes) -> None:
    """The same text, handed in by the carrier (again)."""
    house.send(raw, mail_from=house.carrier.envelope(house.address))


def move(house: TestHouse, folder: Path) -> None:
    """Start the same house from another folder."""
    house.folder = folder
    house.start()


def test_a_copy_of_a_stopped_house_knows_what_it_did(
    house: TestHouse, tmp_path: Path, bell: Path
) -> None:
    raw = texted(house)
    house.stop()
    shutil.copytree(tmp_path / "old", tmp_path / "new", dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "old")
    move(house, tmp_path / "new")
    send(house, raw)
    house.settle()
    assert bell.read_text() == "x"
    assert len(house.inbox.received) == 1
    assert any("replay" in line for line in house.log())


def test_a_copy_of_a_running_house_has_nothing_of_its_journals_but_by_sqlite(
    tmp_path: Path,
) -> None:
    """A start would set the journal that was copied aside for one that was just being built."""
    said = re.search(r"^    tar .*--exclude='(\S+)'", PAGE, re.M)
    assert said is not None
    kept = tmp_path / "spool" / ".journal"
    kept.mkdir(parents=True)
    for name in ("sqlite", "sqlite-wal", "sqlite.suspect", "part", "rebuilt", "damaged-2026"):
        (kept / f"journal.{name}").touch()
    for path in (kept / "lock", kept.parent / "new" / "one.eml"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    tar = ["tar", "-C", str(tmp_path), "-cf", "-", f"--exclude={said[1]}", "spool"]
    copy = subprocess.run(tar, check=True, capture_output=True).stdout
    listed = subprocess.run(["tar", "-t"], input=copy, check=True, capture_output=True).stdout
    files = {line for line in listed.decode().split() if not line.endswith("/")}
    assert files == {"spool/.journal/lock", "spool/new/one.eml"}


def recipe() -> str:
    """What docs/backup.md says to SQLite."""
    found = re.search(r'^    sqlite3 \S+ "(.+)"$', PAGE, re.M)
    assert found is not None
    return found[1]


def test_the_journal_can_be_copied_while_the_house_runs(
    house: TestHouse, tmp_path: Path, bell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = texted(house)
    told = (house.inbox.received[0].mail["Message-ID"], "Rang.")
    copy = tmp_path / "new" / "spool" / JOURNAL
    shutil.copytree(house.spool, tmp_path / "new" / "spool", ignore=lambda *_: [".journal"])
    copy.parent.mkdir(parents=True)
    monkeypatch.chdir(copy.parent)
    with closing(sqlite3.connect(house.spool / JOURNAL)) as running:
        running.execute(recipe())
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            running.execute(recipe())
    house.stop()
    move(house, tmp_path / "new")
    send(house, raw)
    house.settle()
    assert bell.read_text() == "x"
    # once, or once more when the copy was made before it was noted as sent
    assert {(each.mail["Message-ID"], each.text) for each in house.inbox.received} == {told}
