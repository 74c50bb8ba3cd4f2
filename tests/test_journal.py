"""The journal: commits are shared, faults are not; what is said of it is kept."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from housecarl import confirm
from housecarl.errors import JournalDamaged, JournalError, StorageError
from housecarl.journal import (
    Database,
    codes,
    conditions,
    connect,
    events,
    fault,
    people,
    receipts,
    replies,
    runs,
    values,
)
from housecarl.journal.conditions import Condition
from housecarl.journal.database import CROWD
from housecarl.journal.people import Way
from housecarl.journal.receipts import Receipt
from housecarl.journal.replies import Outgoing
from housecarl.journal.runs import Run
from housecarl.journal.schema import VERSION, migrate
from housecarl.means import JournalStore
from housecarl.testing.clock import START, FakeClock


async def test_what_waits_shares_a_commit_and_each_gets_its_own_result(db: Database) -> None:
    keys = [f"k{n}" for n in range(100)]
    await asyncio.gather(
        *(db.write(lambda c, k=k: values.put(c, "m", k, k, 0.0)) for k in keys)  # type: ignore[misc]
    )
    found = await db.read(lambda c: values.everything(c, "m"))
    assert found == {key: key for key in keys}


async def test_what_a_dead_life_left_in_the_log_is_in_the_file_before_more_is_written(
    db: Database, tmp_path: Path
) -> None:
    """After a sync that failed the log may have holes that nobody sees until the power is cut."""
    await db.write(lambda conn: values.put(conn, "m", "key", 1, 0.0))
    dead = tmp_path / "dead"
    dead.mkdir()
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        (dead / name).write_bytes((tmp_path / name).read_bytes())
    assert (dead / "journal.sqlite-wal").stat().st_size > 0
    again = Database(dead / "journal.sqlite")
    again.open()
    assert (dead / "journal.sqlite-wal").stat().st_size == 0
    assert await again.read(lambda conn: values.get(conn, "m", "key")) == 1
    await again.close()


def test_a_disk_that_does_not_tell_what_is_there_is_at_fault_and_not_the_journal(
    tmp_path: Path,
) -> None:
    """What is raised beside it would end the journal's thread, and all would wait for ever."""
    path = tmp_path / "journal.sqlite"
    connect(path).close()
    read_only = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with closing(read_only), pytest.raises(sqlite3.OperationalError, match="readonly") as caught:
        read_only.execute("DELETE FROM stored")
    log = tmp_path / "journal.sqlite-wal"
    log.unlink(missing_ok=True)
    log.symlink_to(log)  # ELOOP
    found = fault(path, caught.value)
    assert isinstance(found, StorageError) and not isinstance(found, JournalDamaged)


def test_a_journal_that_goes_while_it_is_opened_is_a_fault_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a spool that is moved away at that moment: it ended the daemon, with a trace."""
    path = tmp_path / "journal.sqlite"

    def gone(conn: sqlite3.Connection) -> None:
        migrate(conn)
        path.unlink()

    monkeypatch.setattr("housecarl.journal.database.migrate", gone)
    with pytest.raises(StorageError, match=f"^the journal {path}: No such file or directory$"):
        connect(path)


@pytest.mark.long
async def test_somebody_who_reads_does_not_hold_up_a_start(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is emptied by the first start that nobody reads beside."""
    monkeypatch.setattr("housecarl.journal.database.BUSY_SECONDS", 60.0)
    log, again = tmp_path / "journal.sqlite-wal", Database(tmp_path / "journal.sqlite")
    with closing(connect(db.path, readonly=True)) as reader:
        reader.execute("BEGIN")
        assert values.get(reader, "m", "key") is None
        await db.write(lambda conn: values.put(conn, "m", "key", 1, 0.0))
        async with asyncio.timeout(20):
            await asyncio.to_thread(again.open)
        assert values.get(reader, "m", "key") is None and log.stat().st_size > 0
    patience = await again.write(lambda conn: conn.execute("PRAGMA busy_timeout").fetchone()[0])
    assert patience == 60_000
    await again.close()
    again.open()
    assert log.stat().st_size == 0
    assert await again.read(lambda conn: values.get(conn, "m", "key")) == 1
    await again.close()


async def test_a_fault_of_one_undoes_only_its_own_changes(db: Database) -> None:
    def broken(conn: sqlite3.Connection) -> None:
        values.put(conn, "m", "half", 1, 0.0)
        raise KeyError("mine")

    def twice(conn: sqlite3.Connection) -> None:
        run = Run("r", 0, ("x",), "ann", "change", 1.0)
        runs.start(conn, run)
        runs.start(conn, run)

    results = await asyncio.gather(
        db.write(lambda c: values.put(c, "m", "a", 1, 0.0)),
        db.write(broken),
        db.write(twice),
        db.write(lambda c: values.put(c, "m", "b", 2, 0.0)),
        return_exceptions=True,
    )
    assert isinstance(results[1], KeyError)
    assert isinstance(results[2], sqlite3.IntegrityError)
    assert await db.read(lambda c: values.everything(c, "m")) == {"a": 1, "b": 2}
    assert await db.read(lambda c: runs.of(c, "r")) == []


async def test_a_question_that_is_wrong_is_the_fault_of_who_asks(db: Database) -> None:
    """A key that a module made of no str is no fault of the disk, for which a house is reopened."""
    key: Any = ("lamp", 1)
    with pytest.raises(sqlite3.ProgrammingError):
        await db.write(lambda c: values.put(c, "m", key, 1, 0.0))
    with pytest.raises(sqlite3.ProgrammingError):
        await db.read(lambda c: values.get(c, "m", key))


async def test_a_fault_of_the_disk_is_everybodys(db: Database) -> None:
    def failing(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    results = await asyncio.gather(
        db.write(lambda c: values.put(c, "m", "a", 1, 0.0)),
        db.write(failing),
        return_exceptions=True,
    )
    assert isinstance(results[1], StorageError)
    await db.write(lambda c: values.put(c, "m", "after", 1, 0.0))
    assert (await db.read(lambda c: values.everything(c, "m")))["after"] == 1


async def test_damage_is_told_apart_from_a_full_disk(db: Database) -> None:
    def damaged(_: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error

    with pytest.raises(JournalError, match="damaged"):
        await db.write(damaged)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 50)
    with pytest.raises(JournalError, match="damaged"):
        connect(path)


def test_a_path_means_itself_whatever_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two houses whose folders differ only behind such a sign share nothing."""
    monkeypatch.chdir(tmp_path)
    folders = [Path("a"), *(tmp_path / name for name in ("a#1", "a#2", "a?x", "a%23", "a\udcff"))]
    paths = [folder / "journal.sqlite" for folder in folders]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        with closing(connect(path)) as conn:
            values.put(conn, "m", "k", number, 0.0)
    for number, path in enumerate(paths):
        with closing(connect(path, readonly=True)) as conn:
            assert values.get(conn, "m", "k") == number
        assert path.is_file()


def test_a_newer_journal_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    connect(path).close()
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()
    with pytest.raises(JournalError, match="install the newer housecarl again"):
        connect(path)


def test_the_journal_is_the_daemons_alone(conn: sqlite3.Connection, tmp_path: Path) -> None:
    assert (tmp_path / "journal.sqlite").stat().st_mode & 0o777 == 0o600
    assert conn.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def receipt(identity: str, arrived: float, **more: object) -> Receipt:
    return Receipt(identity, f"{identity}.eml", arrived, "smtp", state="executed", **more)  # type: ignore[arg-type]


def test_ids_are_as_short_as_they_are_clear_and_the_newest_wins(conn: sqlite3.Connection) -> None:
    for identity, at in (("7f3a111111111111", 1.0), ("7f3a222222222222", 2.0), ("abcd", 3.0)):
        receipts.store(conn, receipt(identity, at))
    assert receipts.shorten(conn, "7f3a111111111111") == "7f3a1"
    assert receipts.shorten(conn, "abcd000000000000") == "abcd0"
    found = receipts.find(conn, "7f3a")
    assert found is not None and found.id == "7f3a222222222222"
    assert receipts.find(conn, "ffff") is None


def test_a_key_belongs_to_the_first_message_that_took_it(conn: sqlite3.Connection) -> None:
    receipts.store(conn, receipt("a" * 16, 1.0), ["id:x", "sig:y"])
    assert receipts.find_same(conn, ["sig:y"], own="b" * 16) == "a" * 16
    assert receipts.find_same(conn, ["sig:y"], own="a" * 16) is None
    assert receipts.find_same(conn, ["sig:z"], own="b" * 16) is None


def test_the_log_can_be_narrowed(conn: sqlite3.Connection) -> None:
    for n, person in enumerate(("ann", "bo", "ann")):
        receipts.store(conn, receipt(f"{n:016x}", float(n), person=person))
    runs.finish(conn, Run(f"{0:016x}", 0, ("x",), "ann", "look", 1.0, 2.0, "failed"))
    assert [r.arrived for r in receipts.listing(conn, limit=9, person="ann")] == [2.0, 0.0]
    assert [r.arrived for r in receipts.listing(conn, limit=9, since=1.0)] == [2.0, 1.0]
    assert [r.arrived for r in receipts.listing(conn, limit=9, failed=True)] == [0.0]
    assert len(receipts.listing(conn, limit=1)) == 1


def out(person: str, created: float) -> Outgoing:
    return Outgoing(person, "reply", f"{person}@x.example", "<1@x>", "text", b"mail", created)


def test_a_later_reply_waits_behind_an_earlier_one_of_its_person(conn: sqlite3.Connection) -> None:
    first = replies.add(conn, out("ann", 1.0))
    replies.add(conn, out("ann", 2.0))
    other = replies.add(conn, out("bo", 3.0))
    replies.later(conn, first, 100.0, "busy")
    assert [each.id for each in replies.due(conn, 10.0, 9)] == [other]
    assert [each.id for each in replies.due(conn, 101.0, 9)][:1] == [first]


def test_the_next_reply_is_due_with_the_first_of_those_that_wait(conn: sqlite3.Connection) -> None:
    assert replies.next_due(conn, 10.0) is None
    for person, pause in (("ann", 300.0), ("bo", 100.0), ("eve", 200.0)):
        replies.later(conn, replies.add(conn, out(person, 1.0)), pause, "busy")
    replies.add(conn, out("zoe", 1.0))
    assert [replies.next_due(conn, after) for after in (10.0, 100.0, 300.0)] == [100.0, 200.0, None]


def test_what_can_never_be_sent_is_kept_without_its_mail(conn: sqlite3.Connection) -> None:
    reply = replies.add(conn, out("ann", 1.0)._replace(error="too large"))
    assert replies.due(conn, 10.0, 9) == []
    (kept,) = replies.queue(conn)
    assert (kept["state"], kept["error"]) == ("refused", "too large")
    assert not replies.retry(conn, reply, 10.0)


@pytest.mark.parametrize(
    "state,said", [("waiting", None), ("started", None), ("executed", "text"), ("refused", "text")]
)
def test_an_answer_is_told_once_its_message_is_over(
    conn: sqlite3.Connection, state: str, said: str | None
) -> None:
    receipts.store(conn, Receipt("a", "a.eml", 1.0, "drop", state=state), ["drop:key"])
    assert replies.answer_to(conn, "drop:key") == (None if said is None else "")
    replies.add(conn, out("ann", 1.0)._replace(receipt="a"))
    assert replies.answer_to(conn, "drop:key") == said
    assert replies.answer_to(conn, "drop:other") is None


def test_an_earlier_reply_waits_behind_no_later_one(conn: sqlite3.Connection) -> None:
    """As one that is tried again by hand, of a person whose newer replies meet a fault."""
    first, later = replies.add(conn, out("ann", 1.0)), replies.add(conn, out("ann", 2.0))
    replies.later(conn, later, 100.0, "busy")
    assert [each.id for each in replies.due(conn, 10.0, 9)] == [first]


def test_a_pause_of_a_clock_that_was_ahead_ends_when_it_is_set_back(
    conn: sqlite3.Connection,
) -> None:
    reply = replies.add(conn, out("ann", 1.0))
    replies.later(conn, reply, 86400.0, "busy")
    assert [each.id for each in replies.due(conn, 10.0, 9)] == [reply]


def test_a_text_that_waits_for_the_budget_keeps_back_what_goes_to_its_own_address(
    conn: sqlite3.Connection,
) -> None:
    held = replies.add(conn, out("ann", 1.0)._replace(not_before=100.0))
    replies.add(conn, out("ann", 2.0))
    other = replies.add(conn, out("ann", 3.0)._replace(address="ann@y.example"))
    assert [each.id for each in replies.due(conn, 10.0, 9)] == [other]
    replies.later(conn, held, 100.0, "busy")
    assert replies.due(conn, 10.0, 9) == []


def test_a_refused_reply_can_be_tried_again_and_a_sent_one_not(conn: sqlite3.Connection) -> None:
    """Nor one without a way back. The mail is kept as long as it can be tried."""
    refused, sent, no_way = (
        replies.add(conn, out(person, 1.0)._replace(receipt="r", address=address))
        for person, address in (("ann", "ann@x"), ("bo", "bo@x"), ("eve", None))
    )
    replies.refused(conn, refused, "550 no", 2.0)
    replies.vain(conn, sent, "the host is away")
    replies.sent(conn, [sent], 2.0)
    assert [row["error"] for row in replies.of(conn, "r")] == ["550 no", None, None]
    assert replies.due(conn, 9.0, 9) == []
    assert [replies.retry(conn, each, 3.0) for each in (refused, sent, no_way)] == [
        True,
        False,
        False,
    ]
    assert [each.id for each in replies.due(conn, 9.0, 9)] == [refused]
    assert replies.drop(conn, refused, 4.0) and not replies.drop(conn, refused, 4.0)
    left = conn.execute("SELECT id FROM replies WHERE mail IS NOT NULL").fetchall()
    assert [number for (number,) in left] == [no_way]


def test_the_first_use_pins_a_conversation_for_two_numbers(conn: sqlite3.Connection) -> None:
    """Whichever of two is used later: another one never becomes it."""
    number = "+13035550123"
    one, two, moved = (f"{pair}@x" for pair in ("100.123.one", "100.123.two", "177.123.two"))

    def use(address: str, used: float) -> None:
        token = address.split(".")[2].removesuffix("@x")
        people.use_way(conn, "ann", Way(address, number, token, used))

    for used, address in enumerate((one, two, one, two, one)):
        use(address, used)
        assert people.pinned(conn, "ann", number, address) == "one"
        assert [way.address for way in people.ways(conn, "ann")] == [one]
    assert people.pinned(conn, "ann", number, moved) is None
    use(moved, 9.0)
    assert people.pinned(conn, "ann", number, moved) == "two"
    assert people.pinned(conn, "ann", number, two) == "one"
    assert [way.address for way in people.ways(conn, "ann")] == [moved, one]
    people.forget_ways(conn, "ann")
    assert people.pinned(conn, "ann", number, one) is None


def test_a_page_that_the_disk_does_not_give_has_a_way_out(tmp_path: Path) -> None:
    """It is no damage by itself, and no start mends it."""
    for name, said in (("SQLITE_IOERR_READ", True), ("SQLITE_IOERR_WRITE", False)):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = name
        found = fault(tmp_path / "journal.sqlite", error)
        assert not isinstance(found, JournalDamaged)
        assert ("builds a new one from the folders" in str(found)) is said


def test_a_new_challenge_cancels_the_older_one(conn: sqlite3.Connection) -> None:
    codes.issue(conn, "ann", "1111", ("x",), "r", 0.0, 100.0)
    codes.issue(conn, "ann", "2222", ("y",), "r", 0.0, 100.0)
    found = codes.waiting(conn, "ann", 50.0)
    assert found is not None and found.code == "2222"
    assert codes.waiting(conn, "ann", 100.0) is None
    assert not codes.is_spent(conn, "ann", 7)
    assert codes.spend_step(conn, "ann", 7) and not codes.spend_step(conn, "ann", 7)
    assert [codes.is_spent(conn, *each) for each in (("ann", 7), ("ann", 8), ("bo", 7))] == [
        True,
        False,
        False,
    ]


def test_five_wrong_codes_lock_a_person_out_if_they_lie_within_an_hour(
    conn: sqlite3.Connection,
) -> None:
    for n, at in enumerate((0.0, 1000.0, 2000.0, 3000.0, 3600.0)):
        codes.miss(conn, "ann", None, f"{n}", at)
    assert confirm._locked(conn, "ann", 3600.0) is None
    codes.miss(conn, "ann", None, "5", 3601.0)
    assert confirm._locked(conn, "ann", 3601.0) == 3601.0 + confirm.LOCK_SECONDS


def test_a_condition_is_news_when_it_turns(conn: sqlite3.Connection) -> None:
    told = [
        conditions.note(conn, Condition("door.imap", ok, text, at))
        for ok, text, at in (
            (True, "watched", 1.0),
            (False, "gone", 2.0),
            (False, "still gone", 3.0),
            (True, "watched", 4.0),
        )
    ]
    assert told == [False, True, False, True]
    assert [each.kind for each in events.latest(conn)] == ["door-well", "door-trouble"]
    assert conditions.listing(conn) == [Condition("door.imap", True, "watched", 4.0)]


def test_a_part_that_is_no_more_is_forgotten_and_no_other(conn: sqlite3.Connection) -> None:
    for name in ("door.imap", "door.smtp", "module.imap", "post"):
        conditions.note(conn, Condition(name, False, "gone", 1.0))
    conditions.forget_gone(conn, "door", ["smtp"])
    left = [each.name for each in conditions.listing(conn)]
    assert left == ["door.smtp", "module.imap", "post"]


def test_bytes_that_were_a_text_are_a_text_again_or_nothing(conn: sqlite3.Connection) -> None:
    """One bit of a row says which of the two a value is; the daemon could not be started."""
    people.use_way(conn, "ann", Way("1.2.tok@txt.voice.google.com", "+1", "tok", 1.0))
    conditions.note(conn, Condition("door.imap", False, "gone", 1.0))
    conn.execute("UPDATE ways SET address = CAST(address AS BLOB)")
    conn.execute("UPDATE conditions SET name = CAST(name AS BLOB)")
    assert [way.address for way in people.ways(conn, "ann")] == ["1.2.tok@txt.voice.google.com"]
    assert conditions.listing(conn) == []


def test_a_value_has_a_bound(conn: sqlite3.Connection) -> None:
    with pytest.raises(ValueError, match="at most"):
        values.put(conn, "m", "k", "x" * values.MAX_VALUE, 0.0)
    values.put(conn, "m", "k", [1], 0.0)
    values.put(conn, "m", "k", None, 0.0)
    assert values.get(conn, "m", "k") is None


@pytest.mark.parametrize("value", ["wet", float("nan"), float("inf")])
async def test_what_is_no_number_is_no_reading_of_a_module(db: Database, value: Any) -> None:
    """A word was kept, and the series could not be read any more."""
    store = JournalStore(db, "cellar", FakeClock())
    with pytest.raises(ValueError, match=r"wet|nan|inf"):
        await store.append("damp", value)
    await store.append("damp", "4.5")  # type: ignore[arg-type]  # as a sensor gives it
    assert [reading for _, reading in await store.series("damp", START)] == [4.5]


def test_a_series_that_is_too_long_is_answered_by_its_newest_readings(
    conn: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MAX_READINGS", 3)
    for at in (5.0, 1.0, 4.0, 2.0, 3.0):
        values.read(conn, "m", "s", at, -at)
    assert values.readings(conn, "m", "s", 0.0, 5.0) == [(2.0, -2.0), (3.0, -3.0), (4.0, -4.0)]


@pytest.mark.parametrize("damage", [b'{"a": tsue}', b'"secre\xf4"', b""])
def test_a_damaged_value_is_told_once_by_its_key_and_is_as_if_not_there(
    conn: sqlite3.Connection, damage: bytes
) -> None:
    key = f"key {damage!r}"
    for name in (key, "other"):
        values.put(conn, "m", name, "secret", 1.0)
    conn.execute("UPDATE stored SET value = CAST(? AS TEXT) WHERE key = ?", (damage, key))
    with capture_logs() as told:
        for _ in range(2):
            assert values.get(conn, "m", key) is None
            assert values.everything(conn, "m") == {"other": "secret"}
    assert told == [
        {"event": "value-damaged", "log_level": "warning", "table": "stored", "key": f"m.{key}"}
    ]
    assert values.take(conn, "m", key, 1, 2.0) and values.get(conn, "m", key) == 1


def begin(conn: sqlite3.Connection) -> None:
    """A savepoint that only who shares the transaction can release."""
    conn.execute("SAVEPOINT together")


def end(conn: sqlite3.Connection) -> None:
    conn.execute("RELEASE together")


async def test_in_a_crowd_a_commit_waits_for_who_comes_a_moment_later(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.journal.database.GATHER_SECONDS", 0.5)
    busy, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        busy.set()
        go.wait(10)

    held = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(busy.wait, 10)
    crowd = [asyncio.create_task(db.write(lambda _: None)) for _ in range(CROWD)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(held, *crowd)
    first = asyncio.create_task(db.write(begin))
    await asyncio.sleep(0)
    while not db._writes.empty():  # noqa: ASYNC110 - there is no event for: the writer has it
        await asyncio.sleep(0)
    await asyncio.gather(first, db.write(end))


async def test_who_is_alone_waits_for_nobody(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("housecarl.journal.database.GATHER_SECONDS", 3600.0)
    for _ in range(3):
        await asyncio.wait_for(db.write(lambda _: None), 10)
