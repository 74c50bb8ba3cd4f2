"""A damaged journal is set aside and built anew; what may have run before never runs again."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from tests.cli.conftest import LOGIN, verb_of

from housecarl import disk, rebuild
from housecarl.errors import JournalDamaged, JournalError, StorageError
from housecarl.journal import JOURNAL, conditions, connect, events, mark_of, people, receipts, runs
from housecarl.journal.schema import VERSION
from housecarl.message.stamp import Stamp
from housecarl.testing.house import TestHouse

pytestmark = pytest.mark.long(after=8)

MODULE = '''
"""A change that leaves a trace."""
from pathlib import Path

from housecarl import Call, Reply, Risk, command


@command(risk=Risk.CHANGE)
async def mark(call: Call) -> Reply:
    """Append to the ledger."""
    with Path(__file__).parents[1].joinpath("ledger").open("a") as file:
        file.write("mark\\n")
    return Reply("marked.")
'''

ID = "7f3a90c1d2e4b5a6"
OTHER = "1234567890abcdef"


PEOPLE: dict[str, Any] = {
    "ann": {
        "phones": ["+13035550123"],
        "addresses": ["ann@example.org"],
        "may": ["*"],
        "unix": [LOGIN],
    },
    "bo": {"phones": ["+13035550199"], "may": ["mark"]},
}


class Closed(TestHouse):
    """A house that the test opens itself."""

    def __enter__(self) -> TestHouse:
        with patch.object(self, "start"):
            return super().__enter__()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> TestHouse:
    """A house that carried out one change."""
    folder = tmp_path_factory.mktemp("lived")
    (folder / "mine").mkdir()
    (folder / "mine" / "marks.py").write_text(MODULE)
    with TestHouse(folder, PEOPLE, modules={"folders": ["mine"]}) as house:
        house.phone().text("!mark")
        assert house.phone().reply == "marked."
    return house


@pytest.fixture
def house(lived: TestHouse, tmp_path: Path) -> Iterator[TestHouse]:
    """A copy of it, closed."""
    shutil.copytree(lived.folder, tmp_path, dirs_exist_ok=True)
    with Closed(tmp_path, PEOPLE, modules={"folders": ["mine"]}) as house:
        house.carrier = lived.carrier
        yield house


def marks(house: TestHouse) -> int:
    return (house.folder / "ledger").read_text().count("mark")


def leave(
    house: TestHouse, folder: str, text: str, identity: str = ID, age: timedelta = timedelta()
) -> Path:
    """A message that was taken in, a moment ago or earlier, by the life whose journal is lost."""
    now = house.clock.now() - age
    stamp = Stamp("drop", now, key=identity, uid=str(os.getuid()), as_person="ann")
    raw = f"Content-Type: text/plain\r\n\r\n{text}\r\n".encode()
    name = f"{now:%Y%m%dT%H%M%S.%f}-{identity}.eml"
    path = house.spool / folder / name
    path.write_bytes(stamp.line() + raw)
    return path


def overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xa5" * (size // 3))


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 500)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def write_at(offset: int, *values: int) -> Callable[[Path], None]:
    """Damage in SQLite's header: https://sqlite.org/fileformat2.html#the_database_header"""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes(values))

    return damage


HEADERS = {
    "of a later SQLite, to be read only": write_at(18, 3),
    "of an unknown schema format": write_at(47, 5),
    "version too small": write_at(63, VERSION - 1),
    "version 0": write_at(63, 0),
    "negative version": write_at(60, 0x80),
    "version of nobody": write_at(63, VERSION | 0x80),
}

DAMAGES = (overwrite, halve, replace, empty)


def read(house: TestHouse, do: Callable[[sqlite3.Connection], Any]) -> Any:
    conn = connect(house.spool / JOURNAL, readonly=True)
    try:
        return do(conn)
    finally:
        conn.close()


def aside(house: TestHouse) -> list[str]:
    return rebuild.aside(house.spool / ".journal")


@pytest.mark.long(after=3)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("folder", ["new", "work"])
def test_it_is_set_aside_and_no_change_that_waited_runs(
    house: TestHouse, damage: Callable[[Path], None], folder: str
) -> None:
    leave(house, folder, "!mark")
    leave(house, folder, "!help mark", OTHER)
    damage(house.spool / JOURNAL)
    before = (house.spool / JOURNAL).read_bytes()
    house.start()
    house.settle()
    texts = [each.text for each in house.inbox.wait(3)]
    assert any("built it anew" in text for text in texts), texts  # to the owner
    told = [text for text in texts if text.startswith("mark was interrupted")]
    assert len(told) == 1 and "It may have been done. Log 7f3a." in told[0]
    assert any(text.startswith("mark - ") for text in texts)  # a look is answered
    assert marks(house) == 1
    assert not list((house.spool / folder).glob("*.eml"))
    (kept,) = aside(house)
    assert (house.spool / ".journal" / kept).read_bytes() == before
    assert [run.outcome for run in read(house, lambda c: runs.of(c, ID))] == ["interrupted"]
    assert read(house, lambda c: events.latest(c, "journal-rebuilt"))
    assert [c.name for c in read(house, conditions.listing) if not c.ok] == [kept]


@pytest.mark.long(after=2)
@pytest.mark.parametrize("damage", HEADERS.values(), ids=HEADERS.keys())
def test_damage_in_the_header_is_damage_too(
    house: TestHouse, damage: Callable[[Path], None]
) -> None:
    """SQLite itself does not call it so: each start would fail at it, or call it a newer one."""
    damage(house.spool / JOURNAL)
    house.start()
    assert house.phone().reply.startswith("My journal was damaged; I built it anew.")
    assert len(aside(house)) == 1
    assert read(house, lambda c: events.latest(c, "journal-rebuilt"))


def test_of_what_waited_only_what_may_have_run_is_called_interrupted(house: TestHouse) -> None:
    """No command is let go, a wrong one told; a change that is late may have been in time."""
    late = timedelta(hours=1)
    for text, digit, age in (("hello", "a", late), ("!plgu", "b", late), ("!mark", "c", late)):
        leave(house, "work", text, digit * 16, age)
    replace(house.spool / JOURNAL)
    house.start()
    house.settle()
    told = sorted(each.text.partition(".")[0] for each in house.inbox.wait(3))
    assert told == [
        "My journal was damaged; I built it anew",
        "No command plgu",
        "mark was interrupted: my journal was damaged",
    ]
    assert marks(house) == 1
    known = read(house, lambda c: receipts.find_all(c, [digit * 16 for digit in "abc"]))
    assert [known[each].reason for each in sorted(known)] == [
        "no-command",
        "unknown-command",
        "interrupted",
    ]


def test_what_was_carried_out_is_known_again_and_refused_when_it_comes_again(
    house: TestHouse,
) -> None:
    (mail,) = (house.spool / "executed").rglob("*.eml")
    raw = mail.read_bytes().partition(b"\r\n")[2]
    replace(house.spool / JOURNAL)
    house.start()
    (known,) = read(house, lambda c: receipts.listing(c, limit=9))
    assert (known.person, known.calls, known.state) == ("ann", (("mark",),), "executed")
    house.send(raw, mail_from=house.carrier.envelope(house.address))
    house.settle()
    assert marks(house) == 1
    assert [each.reason for each in read(house, lambda c: receipts.listing(c, limit=1))] == [
        "replay"
    ]


def test_of_what_is_over_only_what_its_folder_proves_is_known(house: TestHouse) -> None:
    """A refused one may be a stranger's, an old one is not read, and a name is no proof."""
    ids = [digit * 16 for digit in "abcdef"]
    left = [
        leave(house, folder, text, each, age)
        for (folder, text, age), each in zip(
            [
                ("failed", "!mark", timedelta()),
                ("failed", "!.", timedelta()),
                ("failed", "!mark", timedelta(days=400)),
                ("refused", "!mark", timedelta()),
                ("failed", "!mark", timedelta()),
                ("failed", "!mark", timedelta()),
            ],
            ids,
            strict=True,
        )
    ]
    unread, of_nobody = left[4:]
    unread.write_bytes(unread.read_bytes().partition(b"\n")[0] + b"\n")
    bare = of_nobody.read_bytes().partition(b"\n")[2]
    of_nobody.write_bytes(b"From: zoe@nowhere.example\r\n" + bare)
    for name in ("note.eml", f"20261340T250000.000000-{'9' * 16}.eml"):
        shutil.copy(left[0], house.spool / "failed" / name)
    replace(house.spool / JOURNAL)
    house.start()
    known = read(house, lambda c: [receipts.find(c, each) for each in ids])
    assert [(each.state, each.person, each.calls) for each in known] == [
        ("failed", "ann", (("mark",),)),
        ("failed", "ann", ()),
        ("failed", None, ()),
        ("refused", None, ()),
        ("failed", None, ()),
        ("failed", None, ()),
    ]
    assert len(read(house, lambda c: receipts.listing(c, limit=99))) == 1 + len(ids)


def test_a_message_of_many_commands_keeps_them_where_the_house_allows_that(tmp_path: Path) -> None:
    limits = {"lines": 8}
    with TestHouse(tmp_path, PEOPLE, limits=limits) as house:
        house.phone().text("\n".join(["!help"] * 8))
        house.stop()
        replace(house.spool / JOURNAL)
        house.start()
        (known,) = read(house, lambda c: receipts.listing(c, limit=9))
    assert known.calls == (("help",),) * 8


def test_a_file_that_cannot_be_read_does_not_keep_the_house_closed(house: TestHouse) -> None:
    """Where a journal is damaged there may be other bad spots too."""
    (month,) = (house.spool / "executed").iterdir()
    (month / f"{house.clock.now():%Y%m%dT%H%M%S.%f}-{ID}.eml").mkdir()
    replace(house.spool / JOURNAL)
    house.start()
    known = read(house, lambda c: receipts.find(c, ID))
    assert (known.state, known.person, known.door) == ("executed", None, "")
    assert len(read(house, lambda c: receipts.listing(c, limit=9))) == 2


def test_the_pinned_conversation_is_known_again(house: TestHouse) -> None:
    """The newest: an earlier one was given up with `person off` and `on`."""
    (known,) = read(house, lambda c: people.ways(c, "ann"))
    leave_text(house, known.address.replace(f".{known.token}@", ".earlier@"), timedelta(days=3))
    replace(house.spool / JOURNAL)
    house.start()
    (again,) = read(house, lambda c: people.ways(c, "ann"))
    assert (again.address, again.token) == (known.address, known.token)


def test_so_is_that_with_each_number_of_the_house(house: TestHouse) -> None:
    """It had another one for a while; with the one it has again somebody else could begin anew."""
    (known,) = read(house, lambda c: people.ways(c, "ann"))
    other = f"13035550111.{known.address.partition('.')[2]}"
    leave_text(house, other, -timedelta(seconds=1))
    replace(house.spool / JOURNAL)
    house.start()
    ways = read(house, lambda c: people.ways(c, "ann"))
    assert {each.address for each in ways} == {known.address, other}


def leave_text(house: TestHouse, address: str, age: timedelta) -> None:
    """A text of ann's that was obeyed some time ago."""
    now = house.clock.now() - age
    folder = house.spool / "executed" / f"{now:%Y-%m}"
    folder.mkdir(exist_ok=True)
    raw = f"From: {address}\r\nSubject: New text message from (303) 555-0123\r\n\r\n!mark\r\n"
    path = folder / f"{now:%Y%m%dT%H%M%S.%f}-{ID}.eml"
    path.write_bytes(Stamp("smtp", now).line() + raw.encode())


def switch_off_bo(house: TestHouse) -> None:
    conn = connect(house.spool / JOURNAL)
    people.switch_off(conn, "bo", 1.0)
    conn.close()


def spoil(path: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    conn = sqlite3.connect(path)
    find = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
    page = conn.execute(find, (table,)).fetchone()[0]
    conn.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


def test_a_lost_phone_stays_lost_where_its_page_can_be_read(house: TestHouse) -> None:
    switch_off_bo(house)
    spoil(house.spool / JOURNAL, "readings")
    house.start()
    assert read(house, people.off).keys() == {"bo"}
    told = house.inbox.wait(1)[0]
    assert "switched off" not in told.text
    assert "house.alert.rebuilt-" in told.mail["Message-ID"], "not that of any other alert"


def test_a_lost_phone_stays_lost_in_a_folder_of_any_name(lived: TestHouse, tmp_path: Path) -> None:
    folder = tmp_path / "50% #1?"
    shutil.copytree(lived.folder, folder)
    with Closed(folder, PEOPLE, modules={"folders": ["mine"]}) as house:
        switch_off_bo(house)
        spoil(house.spool / JOURNAL, "readings")
        house.start()
        assert read(house, people.off).keys() == {"bo"}


def test_the_owner_hears_when_it_is_forgotten_who_was_switched_off(house: TestHouse) -> None:
    switch_off_bo(house)
    replace(house.spool / JOURNAL)
    house.start()
    (event,) = read(house, lambda c: events.latest(c, "journal-rebuilt"))
    assert "Who was switched off is forgotten" in event.text


def test_a_crash_while_it_is_put_in_place_is_taken_up(house: TestHouse) -> None:
    """The new one is whole, the damaged one is set aside: nothing is at the journal's place.

    One that was not whole yet is begun anew.
    """
    folder = house.spool / ".journal"
    leave(house, "work", "!mark")
    replace(house.spool / JOURNAL)
    replace(folder / "journal.part")
    house.start()
    house.settle()
    house.stop()
    switch_off_bo(house)  # known to the new one alone: the damaged one is not read again
    (folder / "journal.sqlite").rename(folder / "journal.rebuilt")
    house.start()
    house.settle()
    assert read(house, people.off).keys() == {"bo"}
    assert marks(house) == 1
    assert len(read(house, lambda c: receipts.listing(c, limit=9))) == 2
    assert not (folder / "journal.rebuilt").exists()


def test_all_that_is_known_is_in_the_file_that_is_put_in_place(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody looks at it meanwhile, for whom SQLite would leave what is new in a log beside it.

    So it would on a disk that is full by then.
    """
    readers = list[sqlite3.Connection]()
    fill = rebuild.Rebuild._fill

    def look(self: rebuild.Rebuild, conn: sqlite3.Connection, off: dict[str, float] | None) -> None:
        fill(self, conn, off)
        part = self.path.with_name("journal.part")
        readers.append(sqlite3.connect(part, check_same_thread=False))
        readers[0].execute("SELECT count(*) FROM sqlite_schema").fetchone()

    order: list[str] = []

    def note(here: str, there: str) -> None:
        disk.rename(here, there)
        order.append(Path(there).name.partition("-")[0])

    monkeypatch.setattr(rebuild, "rename", note)
    monkeypatch.setattr(rebuild, "sync_folder", lambda _: order.append("sync"))
    monkeypatch.setattr(rebuild.Rebuild, "_fill", look)
    replace(house.spool / JOURNAL)
    house.start()
    readers[0].close()
    steps = ("journal.rebuilt", "journal.damaged", "journal.sqlite")
    assert order == [each for step in steps for each in (step, "sync")], "a power cut finds one"
    assert [each.state for each in read(house, lambda c: receipts.listing(c, limit=9))] == [
        "executed"
    ]


@pytest.mark.parametrize("ahead", [1, 50])
def test_a_newer_journal_is_refused_and_left_alone(house: TestHouse, ahead: int) -> None:
    raw = sqlite3.connect(house.spool / JOURNAL)
    raw.execute(f"PRAGMA user_version = {VERSION + ahead}")
    raw.close()
    with pytest.raises(JournalError, match="install the newer housecarl again"):
        house.start()
    house.daemon = None
    assert aside(house) == []


def test_damage_that_is_met_while_the_house_runs_is_mended_by_itself(house: TestHouse) -> None:
    house.start()
    assert house.daemon is not None and house.daemon.house is not None
    first = house.daemon.house
    overwrite(house.spool / JOURNAL)
    house.phone().text("!mark")
    house.until(lambda: house.daemon is not None and house.daemon.house not in (first, None))
    assert len(aside(house)) == 1
    house.settle()
    assert marks(house) <= 2


def test_the_trouble_ends_when_the_old_file_is_removed(house: TestHouse) -> None:
    replace(house.spool / JOURNAL)
    house.start()
    house.stop()
    for name in aside(house):
        (house.spool / ".journal" / name).unlink()
    house.start()
    assert all(each.ok for each in read(house, conditions.listing))


def test_a_whole_journal_is_never_touched(house: TestHouse) -> None:
    house.start()
    house.stop()
    house.start()
    assert aside(house) == []


def test_a_large_journal_is_read_whole_only_where_damage_was_met(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start must not read for minutes; what was met before is looked for in all of it."""
    monkeypatch.setattr(rebuild, "LOOK_BYTES", 0)
    path = house.spool / JOURNAL
    spoil(path, "readings")
    house.start()
    house.stop()
    house.start()
    assert aside(house) == []
    assert house.daemon is not None and house.daemon.house is not None
    with pytest.raises(JournalDamaged):
        house.do(house.daemon.house.db.read(lambda conn: [*conn.execute("SELECT * FROM readings")]))
    house.stop()
    house.start()
    assert len(aside(house)) == 1
    assert not mark_of(path).exists()


def test_a_look_that_the_disk_cuts_off_finds_no_damage(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal stays in its place, and the house says what is wrong."""
    monkeypatch.setattr(rebuild, "STEPS", 1)
    monkeypatch.setattr(rebuild.Rebuild, "_still_reading", lambda _: 1)
    before = (house.spool / JOURNAL).read_bytes()
    with pytest.raises(StorageError, match="SQLITE_INTERRUPT"):
        house.start()
    house.daemon = None
    assert aside(house) == []
    assert (house.spool / JOURNAL).read_bytes() == before


@pytest.mark.parametrize("words", [("person", "off", "bo"), ("try", "!mark", "--as", "ann")])
@pytest.mark.parametrize("lose", [empty, Path.unlink])
def test_a_verb_does_not_hide_that_the_journal_is_gone(
    house: TestHouse, words: tuple[str, ...], lose: Callable[[Path], None]
) -> None:
    """The new one that it made looked whole to the daemon, which did again what had begun."""
    leave(house, "work", "!mark")
    lose(house.spool / JOURNAL)
    (house.folder / "housecarl.yaml").write_text(yaml.safe_dump(house.config()))
    done = verb_of(house.folder / "housecarl.yaml")(*words)
    assert done.returncode == 75 and "is gone" in done.stderr and "restart it" in done.stderr
    house.start()
    house.settle()
    assert any(each.text.startswith("mark was interrupted") for each in house.inbox.wait(2))
    assert marks(house) == 1


@pytest.mark.parametrize(
    ("words", "code"), [(("status",), 1), (("log",), 75), (("queue", "list"), 75)]
)
def test_a_verb_says_what_to_do_about_it(
    house: TestHouse, words: tuple[str, ...], code: int
) -> None:
    replace(house.spool / JOURNAL)
    done = verb_of(house.folder / "housecarl.yaml")(*words)
    said = done.stdout + done.stderr
    assert done.returncode == code
    assert "is damaged" in said and "restart it" in said
    assert "Traceback" not in said


def test_systemd_is_asked_to_wait_while_it_is_built_anew(
    house: TestHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spool of years takes longer than the unit allows for a start."""
    replace(house.spool / JOURNAL)
    leave(house, "new", "!help mark")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        house.start()
        told = [systemd.recv(200).decode().split("\n") for _ in range(3)]
    assert told == [
        ["EXTEND_TIMEOUT_USEC=60000000", "STATUS=building the journal anew: 1 messages"],
        ["EXTEND_TIMEOUT_USEC=60000000", "STATUS=taking up what the last life left"],
        ["READY=1", "STATUS=serving"],
    ]
