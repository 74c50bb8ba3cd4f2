"""What a house does with what its last life left, and when its disk or its own code fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import inside

from housecarl.crew import CARRIERS
from housecarl.errors import StorageError
from housecarl.journal import JOURNAL, conditions, connect, receipts, replies, runs, values
from housecarl.journal.conditions import Condition
from housecarl.journal.receipts import Receipt
from housecarl.journal.runs import Run
from housecarl.message.stamp import Stamp
from housecarl.record import Record
from housecarl.testing.house import TestHouse

pytestmark = pytest.mark.long(after=8)

LOGIN_UID = "0"
NAME = "20261123T120000.000000-7f3a90c1d2e4b5a6.eml"
ID = "7f3a90c1d2e4b5a6"


@pytest.fixture
def house(tmp_path: Path) -> Any:
    """A house that was open once, and is closed."""
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "unix": ["root"]}}
    with TestHouse(tmp_path, people) as house:
        house.stop()
        yield house


def leave(house: TestHouse, folder: str, text: str, name: str = NAME, head: str = "") -> None:
    """A message as a life left it, without the journal's knowledge."""
    stamp = Stamp("drop", house.clock.now(), key=name, uid=LOGIN_UID, as_person="ann")
    raw = f"{head}Content-Type: text/plain\r\n\r\n{text}\r\n".encode()
    (house.spool / folder / name).write_bytes(stamp.line() + raw)


def note(house: TestHouse, state: str, calls: tuple[tuple[str, ...], ...], *done: Run) -> None:
    """What the journal knew of it."""
    conn = connect(house.spool / JOURNAL)
    receipt = Receipt(ID, NAME, 1.0, "drop", person="ann", proof="local", calls=calls, state=state)
    thread = {"subject": "Re: lamp", "in_reply_to": "<2@x>", "references": ["<1@x>", "<2@x>"]}
    receipts.store(conn, replace(receipt, reply_to="ann@example.org", thread=thread))
    for run in done:
        runs.finish(conn, run)
    conn.close()


def folders(house: TestHouse) -> list[str]:
    house.settle()
    return sorted(p.relative_to(house.spool).parts[0] for p in house.spool.rglob("*.eml"))


@pytest.mark.parametrize("folder", ["new", "work"])
def test_a_message_the_journal_does_not_know_is_carried_out(house: TestHouse, folder: str) -> None:
    leave(house, folder, "!help uptime")
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")
    assert folders(house) == ["executed"]


def test_what_the_house_keeps_for_itself_may_be_damaged_and_it_starts(house: TestHouse) -> None:
    """A damaged value is not damage that SQLite would see."""
    conn = connect(house.spool / JOURNAL)
    kept = ("_watches", "host.load"), ("_rounds", "modules"), ("_background", "7f.0")
    for module, key in (*kept, ("_suspects", "left"), ("_suspects", "over")):
        values.put(conn, module, key, {}, 1.0)
    conn.execute("UPDATE stored SET value = '{\"a\": tsue}'")
    conn.close()
    leave(house, "new", "!help uptime")
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")


@pytest.mark.long(after=1)
@pytest.mark.parametrize("value", [{}, [], {"host": "127.0.0.1"}])
def test_what_it_keeps_may_lack_what_it_should_have(house: TestHouse, value: object) -> None:
    """A damaged letter makes another name of a field, and JSON it is still."""
    conn = connect(house.spool / JOURNAL)
    kept = ("_background", "7f.0"), ("_post", "outage")
    for module, key in (*kept, ("_suspects", "left"), ("_suspects", "over")):
        values.put(conn, module, key, value, 1.0)
    conn.close()
    leave(house, "new", "!help uptime")
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")


JOT = """
from housecarl import Call, Reply, Risk, command

@command(risk=Risk.CHANGE)
async def jot(call: Call, word: str) -> Reply:
    \"\"\"Write a word down.\"\"\"
    with open(FILE, "a") as file:
        file.write(f"{word} ")
    return Reply("Jotted.")
"""


def test_what_two_lives_left_is_carried_before_what_came_later(tmp_path: Path) -> None:
    """It may be what ended both; but as a rule it is not, and must not be overtaken."""
    (tmp_path / "mine").mkdir()
    jotted = tmp_path / "jotted"
    (tmp_path / "mine" / "jot.py").write_text(JOT.replace("FILE", repr(str(jotted))))
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "unix": ["root"]}}
    with TestHouse(tmp_path, people, modules={"folders": ["mine"]}) as house:
        house.stop()
        leave(house, "work", "!jot one")
        leave(house, "new", "!jot two", NAME.replace("T120000.000000-7f", "T130000.000000-8f"))
        conn = connect(house.spool / JOURNAL)
        values.put(conn, "_suspects", "left", [NAME], 0.0)
        conn.close()
        (house.spool / JOURNAL).with_name("lock").write_bytes(b"")  # it was killed
        house.start()
        assert [mail.text[:7] for mail in house.inbox.wait(2)] == ["Jotted."] * 2
    assert jotted.read_text() == "one two "


def test_a_house_that_is_opened_again_blames_no_message(house: TestHouse) -> None:
    """A fault of the disk, or a reload: the process that carried it has not ended."""
    (house.spool / JOURNAL).with_name("lock").write_bytes(b"")  # one before it was killed
    house.start()
    leave(house, "work", "!help uptime")
    conn = connect(house.spool / JOURNAL)
    for key, value in (("left", [NAME]), ("alone", NAME)):
        values.put(conn, "_suspects", key, value, 0.0)
    conn.close()

    async def reload() -> None:
        assert house.daemon is not None
        house.daemon.ready.clear()
        house.daemon.reload()
        await house.daemon.ready.wait()

    house.do(reload())
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")
    assert folders(house) == ["executed"]


def test_a_message_that_waited_for_dns_is_tried_again(house: TestHouse) -> None:
    leave(house, "work", "!help uptime")
    note(house, "waiting", ())
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")


def test_a_change_that_was_begun_is_not_run_again_and_the_truth_is_told(house: TestHouse) -> None:
    leave(house, "work", "!plug lamp on")
    note(
        house,
        "started",
        (("plug", "lamp", "on"),),
        Run(ID, 0, ("plug", "lamp", "on"), "ann", "change", 1.0),
    )
    house.start()
    told = house.inbox.wait(1)[0]
    assert told.text.startswith(
        "plug was interrupted by a restart. It may have been done. Log 7f3a."
    )
    conversation = [told.mail[name] for name in ("Subject", "In-Reply-To", "References")]
    assert conversation == ["Re: lamp", "<2@x>", "<1@x> <2@x>"]
    assert folders(house) == ["executed"]


def test_what_was_done_before_the_interruption_is_told_and_that_the_rest_was_not_run(
    house: TestHouse,
) -> None:
    calls = (("plug", "lamp", "on"), ("plug", "porch", "on"), ("uptime",))
    leave(house, "work", "!plug lamp on\n!plug porch on\n!uptime")
    note(
        house,
        "started",
        calls,
        Run(ID, 0, calls[0], "ann", "change", 1.0, 2.0, "done", "lamp on."),
        Run(ID, 1, calls[1], "ann", "change", 2.0),
    )
    house.start()
    assert house.inbox.wait(1)[0].text.startswith(
        "lamp on. plug was interrupted by a restart. It may have been done. The rest was not run."
    )


def test_a_look_before_an_interrupted_change_is_not_called_the_rest(house: TestHouse) -> None:
    calls = (("uptime",), ("plug", "lamp", "on"))
    leave(house, "work", "!uptime\n!plug lamp on")
    note(house, "started", calls, Run(ID, 1, calls[1], "ann", "change", 2.0))
    house.start()
    assert "The rest" not in house.inbox.wait(1)[0].text


def test_of_a_message_of_which_nothing_was_begun_there_is_no_rest(house: TestHouse) -> None:
    """It asked for what was done a moment before; that was about to be told."""
    note(house, "started", (("plug", "lamp", "on"),))
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("Nothing was done. Log 7f3a.")


def test_what_was_begun_and_has_no_file_any_more_is_told(house: TestHouse) -> None:
    """The folders are those of a copy that is older than the journal."""
    begun = Run(ID, 0, ("plug", "lamp", "on"), "ann", "change", 2.0)
    note(house, "started", (begun.words,), begun)
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("plug was interrupted by a restart.")


def test_what_was_begun_is_told_before_anything_new_is_carried(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait: the journal is asked about two at a time here."""
    monkeypatch.setattr("housecarl.recover.ASKED", 2)
    for n in range(5):
        leave(house, "new", "!help uptime", name=f"20261123T11000{n}.000000-{n:016x}.eml")
    leave(house, "new", "!plug lamp on")
    begun = Run(ID, 0, ("plug", "lamp", "on"), "ann", "change", 1.0)
    note(house, "started", (begun.words,), begun)
    house.start()
    texts = [mail.text for mail in house.inbox.wait(6)]
    assert texts[0].startswith("plug was interrupted")
    assert all(text.startswith("uptime - ") for text in texts[1:])
    assert folders(house) == ["executed"] * 6


@pytest.mark.parametrize("state", ["executed", "refused", "failed"])
def test_the_folders_follow_the_journal(house: TestHouse, state: str) -> None:
    leave(house, "work", "!uptime")
    note(house, state, (("uptime",),))
    house.start()
    assert folders(house) == [state]
    assert house.inbox.received == []


def test_a_file_of_another_name_is_kept_for_a_person(house: TestHouse) -> None:
    leave(house, "new", "!uptime", name="by-hand.eml")
    house.start()
    assert folders(house) == ["failed"]


def test_a_file_of_another_name_takes_the_place_of_none_that_is_kept(house: TestHouse) -> None:
    for text in ("!uptime", "!status"):
        leave(house, "new", text, name="by-hand.eml")
        house.start()
        house.settle()
        house.stop()
    kept = [(house.spool / folder / "by-hand.eml").read_text() for folder in ("failed", "new")]
    assert ["!uptime" in kept[0], "!status" in kept[1]] == [True, True]


@pytest.mark.parametrize("text", ["!help uptime", "!in 1h uptime"])
def test_a_message_in_new_and_in_work_is_one_message(house: TestHouse, text: str) -> None:
    """A copy of the folders that is made while it is moved has it in both."""
    for folder in ("new", "work"):
        leave(house, folder, text)
    house.start()
    assert folders(house) == ["executed"]
    house.stop()
    (told,) = house.inbox.received
    assert told.text.startswith(("uptime - ", "Job 1"))


AUTOMATIC = "Auto-Submitted: auto-replied\r\n"
QUESTION = (
    "From: Gmail Team <forwarding-noreply@google.com>\r\n"
    "Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from a@gmail.com\r\n"
)


def test_what_waited_and_holds_no_command_is_ignored_and_gmails_question_is_told(
    house: TestHouse,
) -> None:
    """An answer to a machine would be answered by a machine."""
    leave(house, "new", "!uptime", head=AUTOMATIC)
    other = NAME.replace("7f3a", "7f3b")
    leave(house, "new", "Confirmation code: 123456789", other, QUESTION)
    house.start()
    assert folders(house) == ["refused", "refused"]
    db = inside(house).db
    found = house.do(db.read(lambda c: receipts.listing(c, limit=9)))
    assert {each.reason for each in found} == {"auto", "confirmation"}
    assert [
        each.text for each in house.do(db.read(conditions.listing)) if "Gmail" in each.text
    ] == ["Gmail asks to confirm that a@gmail.com forwards here: code 123456789"]
    assert house.inbox.received == []


def test_our_own_fault_is_not_told_to_a_machine(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(house, "new", "!uptime", head=AUTOMATIC)
    with monkeypatch.context() as patch:
        patch.setattr(Record, "conclude", None)
        house.start()
        house.until(lambda: any((house.spool / "failed").rglob("*.eml")))
    house.drop("!help uptime\n")
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")


def test_our_own_fault_is_told_to_whoever_is_known_and_the_next_is_served(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.start()

    def break_once(_: object) -> object:
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr(inside(house).worker.limits, "admit", break_once)
    house.drop("!uptime\n")
    assert house.inbox.wait(1)[0].text.startswith("Something broke here.")
    assert folders(house) == ["failed"]
    house.drop("!help uptime\n")
    assert house.inbox.wait(2)[1].text.startswith("uptime - ")


@pytest.mark.parametrize(
    ("part", "step", "told", "outcomes"),
    [
        ("record", "conclude", ["Something broke here. It may not have been done."], "done failed"),
        ("judge", "judge", [], ""),
    ],
)
def test_where_our_own_fault_comes_decides_what_is_known(
    house: TestHouse, part: str, step: str, told: list[str], outcomes: str
) -> None:
    """After the first of two changes; before anybody knows who it is from."""
    house.start()
    at_home = inside(house)

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(getattr(at_home.worker, part)), step, fail)
        house.drop("!in 5m uptime\n!in 6m status\n")
        house.until(lambda: any((house.spool / "failed").rglob("*.eml")))
    house.drop("!help uptime\n")
    house.inbox.wait(len(told) + 1)
    texts = [each.text.partition(" Log ")[0].strip() for each in house.inbox.received]
    assert [text for text in texts if not text.startswith("uptime - ")] == told
    found = house.do(at_home.db.read(lambda c: receipts.listing(c, limit=9)))[-1]
    assert (found.state, found.person) == ("failed", "ann" if told else None)
    left = house.do(at_home.db.read(lambda c: runs.of(c, found.id)))
    assert [run.outcome for run in left] == outcomes.split()


@pytest.mark.parametrize("shown", [True, False])
def test_messages_whose_failure_cannot_even_be_noted_cost_no_carrier(
    house: TestHouse, shown: bool
) -> None:
    """They stay in work/, more of them than there are carriers, and the next start carries them."""
    house.start()

    def troubles() -> list[str]:
        parts = house.do(inside(house).db.read(conditions.listing))
        return [f"{part.name}: {part.text.partition(' ')[2]}" for part in parts if not part.ok]

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Record, "conclude", fail)
        patch.setattr(Record, "fail", fail)
        if not shown:
            patch.setattr(conditions, "note", None)
        for n in range(CARRIERS + 1):
            house.drop("!help uptime\n", f"{n}.txt")
        house.until(lambda: len([*(house.spool / "work").glob("*.eml")]) > CARRIERS)
        house.settle()
    house.drop("!help uptime\n")
    house.inbox.wait(1)
    told = "could not be carried: it waits in work/ for a restart, the log says why"
    assert troubles() == [f"worker: {told}"] * shown
    house.stop()
    house.start()
    house.inbox.wait(CARRIERS + 2)
    assert troubles() == []


def test_a_stop_cuts_off_what_takes_too_long_and_the_next_start_does_it(house: TestHouse) -> None:
    house.start()
    in_hand = threading.Event()

    async def hang(*_: object) -> None:
        in_hand.set()
        await asyncio.get_running_loop().create_future()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("housecarl.worker.STOP_SECONDS", 0.01)
        patch.setattr(type(inside(house).worker.judge), "judge", hang)
        house.drop("!help uptime\n")
        assert in_hand.wait(10)
        house.stop()
    assert house.inbox.received == []
    house.start()
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")


def test_a_message_taken_away_by_hand_is_no_trouble(house: TestHouse) -> None:
    house.start()
    at_home = inside(house)

    async def offer() -> None:
        at_home.offer(NAME)

    house.do(offer())
    house.settle()
    house.drop("!help uptime\n")
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")
    assert inside(house) is at_home


def test_a_file_that_cannot_be_read_waits_alone_until_it_can(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad spot on the disk opened the house again and again, and nobody was answered."""
    monkeypatch.setattr("housecarl.spool.READ_AGAIN", (0.0,))
    house.start()
    at_home = inside(house)
    unread = house.spool / "work" / NAME
    unread.mkdir()  # what no right and no owner makes readable

    async def offer() -> None:
        at_home.offer(NAME)

    def parts() -> dict[str, str]:
        found = house.do(at_home.db.read(conditions.listing))
        return {each.text: str(each.ok) for each in found if each.name.startswith("spool.")}

    house.do(offer())
    house.settle()
    why = "its file cannot be read: Is a directory"
    house.do(at_home.reload_modules())  # as when one is saved, and once behind every start
    assert parts() == {f"{NAME} waits in work/ and is tried again: {why}": "False"}
    house.drop("!help uptime\n")
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")
    known = house.do(at_home.db.read(lambda c: receipts.find(c, ID)))
    assert known is not None and known.state == "waiting" and known.checks["later"] == why
    unread.rmdir()
    leave(house, "work", "!help status")
    house.do(offer())
    assert house.inbox.wait(2)[1].text.startswith("status - ")
    assert folders(house) == ["executed"] * 2
    assert parts() == {f"{NAME} waits no more": "True"}
    assert inside(house) is at_home


def test_the_house_opens_again_by_itself_after_a_fault_of_the_journal(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.daemon.BACK_OFF", (0.05,))
    monkeypatch.setattr("housecarl.doors.drop.AGAIN_SECONDS", 0.2)
    house.start()
    first = inside(house)

    def fail(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def fault() -> None:
        with pytest.raises(StorageError):
            await first.db.write(fail)
        first.worker.trouble.set_result(StorageError("disk I/O error"))

    house.do(fault())
    house.drop("!help uptime\n")
    assert house.inbox.wait(1)[0].text.startswith("uptime - ")
    assert inside(house) is not first


def test_a_module_that_is_saved_is_live_and_one_that_is_deleted_is_gone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    with TestHouse(tmp_path, modules={"folders": [str(mine)]}) as house:
        phone = house.phone()
        phone.text("!hello")
        assert phone.reply.startswith("No command hello.")
        part = mine / ".hello.py"
        part.write_text(
            "from housecarl import Call, Reply, command\n\n"
            "@command()\nasync def hello(call: Call) -> Reply:\n"
            '    """Greet."""\n    return Reply("Hello.")\n'
        )
        registry = inside(house).registry
        part.rename(mine / "hello.py")
        house.until(lambda: registry.find("hello") is not None)
        phone.text("!hello")
        assert phone.reply == "Hello."
        (mine / "hello.py").unlink()
        house.until(lambda: registry.find("hello") is None)
        phone.text("!hello")
        assert phone.reply.startswith("No command hello.")


def test_troubles_of_doors_and_modules_that_are_no_more_are_forgotten(house: TestHouse) -> None:
    conn = connect(house.spool / JOURNAL)
    for name in ("door.imap", "door.smtp", "module./gone/bell.py", "post"):
        conditions.note(conn, Condition(name, False, "broken", 1.0))
    conn.close()
    house.start()
    known = house.do(inside(house).db.read(conditions.listing))
    assert [each.name for each in known if not each.ok] == ["door.smtp", "post"]


def test_a_broken_module_that_is_taken_away_is_no_trouble_any_more(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    bell = tmp_path / "mine" / "bell.py"
    bell.write_text("import nowhere\n")
    with TestHouse(tmp_path, modules={"folders": ["mine"]}) as house:
        assert f"module.{bell}" in troubles(house)
        bell.unlink()
        house.until(lambda: f"module.{bell}" not in troubles(house))


def troubles(house: TestHouse) -> list[str]:
    """The names of what is not well, as the journal has it."""
    conn = connect(house.spool / JOURNAL, readonly=True)
    try:
        return [each.name for each in conditions.listing(conn) if not each.ok]
    finally:
        conn.close()


def test_a_reply_that_was_taken_is_not_sent_again_while_the_journal_cannot_note_it(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that stays nearly full for a night: the house is opened again hundreds of times."""
    sent, failed = replies.sent, list[int]()

    def full(conn: sqlite3.Connection, ids: list[int], at: float) -> None:
        if len(failed) < 3:
            failed.extend(ids)
            raise sqlite3.OperationalError("database or disk is full")
        sent(conn, ids, at)

    monkeypatch.setattr(replies, "sent", full)
    monkeypatch.setattr("housecarl.daemon.BACK_OFF", (0.01,))
    house.start()
    house.drop("!help uptime\n")

    def noted() -> bool:
        with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
            return len(failed) == 3 and replies.count_waiting(conn)[0] == 0

    house.inbox.wait(1)
    house.until(noted)
    assert len(house.inbox.received) == 1
