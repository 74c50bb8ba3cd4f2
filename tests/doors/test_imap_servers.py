"""The mailbox door on servers that know less, break off, or say nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.doors.imap_peer import ANN, QUICK, Ledger, letter, settings, watching
from tests.doors.imap_server import ALL, ImapServer, Mail, serving

from housecarl.clock import SystemClock
from housecarl.doors import imap, imap_owed, imap_socket
from housecarl.doors.imap import ImapDoor
from housecarl.doors.imap_concern import Concern
from housecarl.doors.imap_line import Line
from housecarl.doors.imap_patience import Patience
from housecarl.doors.imap_progress import first, key_of
from housecarl.doors.imap_socket import Opening
from housecarl.errors import SpoolFull, StorageError
from housecarl.message.form import MAX_SIZE


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", "right")


async def taken(server: ImapServer, **more: Any) -> Ledger:
    """Watch, let a mail of Ann's and a stranger's come in, wait until they are dealt with."""
    ledger = Ledger()
    async with serving(server), watching(ledger, settings(server.port, "ann", **more)):
        await ledger.ready()
        await server.append(letter("foreign", sender="x@example.com"))
        await server.append(letter(1))
        await ledger.until(lambda: any(v["last"] == 2 for v in ledger.values.values()))
    assert "1" in ledger.ids
    assert set(ledger.ids) == {"1"}
    assert 1 in server.inbox and not server.inbox[1].flags
    return ledger


def test_with_new_numbers_it_is_searched_from_two_days_before_the_last_look() -> None:
    """SEARCH knows only days, in whatever time zone the server likes."""
    looked = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
    known = first(7, 1, looked - timedelta(days=30), all_old=False)
    assert known.moved(1, {}, looked).since().isoformat() == "2026-11-23"


def test_who_is_refused_is_told_soon_that_it_was_mended_and_locks_no_account() -> None:
    """Nor does a lost connection keep a mailbox from being watched for long."""
    waits = [Patience().after_refusal(times) for times in range(1, 2000)]
    assert 60 <= waits[0] <= 66 and 120 <= waits[1] <= 132
    assert min(waits[6:]) >= 3600 and max(waits) <= 3960
    lost = [Patience().after_cut(times) for times in range(1, 2000)]
    assert 0.5 <= lost[0] <= 1 <= lost[1] <= 2
    assert min(lost[9:]) >= 150 and max(lost) <= 300


@pytest.mark.parametrize(
    ("capabilities", "how"),
    [
        ("IDLE NAMESPACE UIDPLUS MOVE", "UID MOVE 2 "),
        ("IDLE NAMESPACE UIDPLUS", "UID EXPUNGE 2"),
        ("IDLE", "UID STORE 2 +FLAGS.SILENT ($Housecarl)"),
        ("UIDPLUS MOVE", "UID MOVE 2 "),
        ("", "UID STORE 2 +FLAGS.SILENT ($Housecarl)"),
    ],
)
async def test_every_server_is_enough(capabilities: str, how: str) -> None:
    """MOVE, else COPY and UID EXPUNGE of just ours, else a flag; IDLE, else looking."""
    server = ImapServer(capabilities)
    await taken(server)
    assert server.words(how)
    assert not server.words("EXPUNGE")
    assert (2 in server.inbox) == ("STORE" in how)
    moved = [raw for folder in server.folders.values() for raw in folder]
    assert [raw.partition(b"Message-ID: <1@")[1] != b"" for raw in moved] == [True] * (
        "STORE" not in how
    )


@pytest.mark.parametrize(
    ("section", "body"),
    [
        ('BODY[HEADER.FIELDS ("FROM" "SUBJECT")]<0>', "BODY[]<0>"),  # Courier
        ("BODY[HEADER.FIELDS (Subject From)]<0>", "BODY[]<0>"),
        ("BODY[HEADER.FIELDS (FROM SUBJECT)]", "BODY[]"),
    ],
)
async def test_a_server_may_name_what_it_gives_in_its_own_way(section: str, body: str) -> None:
    """Header names are any strings and need not come back as they were asked for (RFC 3501 9)."""
    await taken(ImapServer(section=section, body=body))


async def test_without_keywords_it_is_seen() -> None:
    server = ImapServer("IDLE", permanent="\\Seen")
    await taken(server)
    assert server.inbox[2].flags == {"\\Seen"}


async def test_where_nothing_may_be_changed_it_is_read_once() -> None:
    server = ImapServer("IDLE", permanent="")
    ledger = await taken(server)
    assert ledger.ids == ["1"]
    assert not server.words("UID STORE")


async def test_a_refused_move_leaves_the_message_and_goes_on() -> None:
    server = ImapServer(refuse={"UID MOVE"})
    ledger = await taken(server)
    assert ledger.ids == ["1"]
    assert 2 in server.inbox


async def test_a_folder_that_cannot_be_made_means_flags() -> None:
    server = ImapServer(refuse={"CREATE"})
    await taken(server)
    assert server.inbox[2].flags == {"$Housecarl"}


@pytest.mark.parametrize(
    ("capabilities", "refuse", "text"),
    [
        ("IDLE", set(), "set move: flag"),
        (ALL, {"CREATE"}, "folder housecarl/executed: create failed: not here"),
    ],
)
async def test_a_move_that_is_insisted_on_and_not_offered_is_told(
    capabilities: str, refuse: set[str], text: str
) -> None:
    """With `move: move` a server that cannot is trouble to be told."""
    ledger = Ledger()
    server = ImapServer(capabilities, refuse=refuse)
    async with serving(server), watching(ledger, settings(server.port, "ann", move="move")):
        await ledger.until(lambda: bool(ledger.said))
    assert not ledger.said[0][0]
    assert text in ledger.said[0][1]


@pytest.mark.parametrize(
    ("folder", "executed", "delimiter"),
    [("INBOX", "inbox", "/"), ("INBOX/house", "INBOX.house", "."), ("house", "House", "/")],
)
async def test_the_folder_that_is_watched_is_no_place_for_what_is_done(
    folder: str, executed: str, delimiter: str
) -> None:
    """What is moved there would be new again, thousands of times a second; so nothing is taken."""
    ledger, server = Ledger(), ImapServer(delimiter=delimiter)
    async with serving(server):
        await server.append(letter(1))
        given = settings(server.port, "ann", folder=folder, executed=executed, all_old=True)
        async with watching(ledger, given):
            await ledger.until(lambda: bool(ledger.said))
    assert ledger.said == [(False, f"127.0.0.1: folder {executed} is the one that is watched")]
    assert not ledger.stored


async def test_a_folder_that_is_there_and_cannot_be_subscribed_is_used() -> None:
    server = ImapServer(refuse={"SUBSCRIBE"})
    await taken(server)
    assert len(server.folders["housecarl/executed"]) == 1


@pytest.mark.parametrize(
    ("delimiter", "prefix", "capabilities", "name"),
    [
        (".", "INBOX.", "NAMESPACE MOVE", "INBOX.housecarl.executed"),
        (".", "", "MOVE", "housecarl.executed"),
        ("", "", "MOVE", "housecarl-executed"),
        ("", "", "NAMESPACE MOVE", "housecarl-executed"),
    ],
)
async def test_the_folder_is_named_as_the_server_likes(
    delimiter: str, prefix: str, capabilities: str, name: str
) -> None:
    server = ImapServer(capabilities, delimiter=delimiter, prefix=prefix)
    await taken(server)
    assert list(server.folders) == [name]
    assert len(server.folders[name]) == 1


async def test_a_server_may_tell_more_of_its_folders_than_their_names() -> None:
    """RFC 2342 5 has the form of it, RFC 5255 a use: what the prefix is called in other words."""
    more = ' "X-PARAM" ("FLAG1" "FLAG2") "TRANSLATION" ("Mes dossiers")'
    server = ImapServer(delimiter=".", prefix="INBOX.", more=more)
    await taken(server)
    assert len(server.folders["INBOX.housecarl.executed"]) == 1


async def test_a_server_that_does_not_tell_the_next_number_still_gives_only_what_is_new() -> None:
    server = ImapServer(tells_next=False)
    await server.append(letter("old"))
    ledger = Ledger()
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        await server.append(letter("new"))
        await ledger.holds("new")


async def test_new_numbers_where_old_mail_is_wanted_read_all_of_it_again() -> None:
    """However old it says it is: read twice it is known, left out it would never be obeyed."""
    ledger = Ledger()
    server = ImapServer("IDLE", permanent="", date="31-Dec-1969 00:00:00 +0000")
    async with serving(server):
        await server.append(letter(1))
        given = settings(server.port, "ann", all_old=True)
        async with watching(ledger, given):
            await ledger.holds(1)
            await ledger.ready()
        server.validity += 1
        async with watching(ledger, given):
            await ledger.holds(1, 1)
            await server.append(letter(2))
            await ledger.holds(1, 1, 2)
    assert server.words("UID SEARCH")[-1].startswith("UID SEARCH UID 2:"), (
        "not all of it, once more"
    )


NONE_YET = {"validity": 7, "last": None, "began": 0, "looked": 0}


@pytest.mark.parametrize("kept", [{}, NONE_YET | {"last": "x"}, NONE_YET, [7]])
async def test_a_mailbox_of_which_nonsense_is_remembered_is_begun_anew(kept: object) -> None:
    ledger, server = Ledger(), ImapServer()
    async with serving(server):
        await server.append(letter("old"))
        given = settings(server.port, "ann")
        ledger.values[key_of(given)] = kept
        async with watching(ledger, given):
            await ledger.ready()
            await server.append(letter("new"))
            await ledger.holds("new")


@pytest.mark.long(after=3)
@pytest.mark.parametrize(
    "phase",
    ["LOGIN", "SELECT", "LIST", "CREATE", "UID SEARCH", "UID FETCH", "UID MOVE", "IDLE", "NOOP"],
)
async def test_a_connection_cut_in_any_phase_loses_nothing(phase: str) -> None:
    """Cut twice in a row there, and once more once the mail is in."""
    ledger = Ledger()
    capabilities = "MOVE" if phase == "NOOP" else ALL
    server = ImapServer(capabilities, cuts={phase: 2}, hears=ledger.changed)
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        await ledger.until(lambda: not server.cuts[phase] or phase.startswith("UID"))
        await server.append(letter(1))
        await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
        server.cuts[phase] = 1
        await server.append(letter(2))
        await ledger.until(lambda: any(v["last"] == 2 for v in ledger.values.values()))
    assert set(ledger.ids) == {"1", "2"}
    # stored and not moved: it comes again, and the journal knows it
    assert len(ledger.ids) == 2 or phase == "UID MOVE"
    assert not server.inbox


@pytest.mark.parametrize("phase", ["GREETING", "LOGIN", "SELECT", "UID SEARCH", "IDLE"])
async def test_a_stop_is_quick_whatever_the_server_does_not_say(phase: str) -> None:
    ledger = Ledger()
    async with serving(ImapServer(mute=phase, hears=ledger.changed)) as server:
        given = settings(server.port, "ann")
        async with watching(ledger, given, read=60, connect=60) as door:
            await ledger.until(lambda: server.is_mute)
            began = time.monotonic()
            await door.stop()
            assert time.monotonic() - began < 10
            assert door._thread is not None
            assert not door._thread.is_alive()


@pytest.mark.parametrize("known", [ANN, "Ann@example.org"])
@pytest.mark.parametrize("sender", [ANN, "Ann@example.org", "Ann <ANN@Example.ORG>"])
async def test_a_persons_mail_is_theirs_whatever_the_capitals(known: str, sender: str) -> None:
    """As the config spells the address, and as the mail program spells it."""
    ledger, server = Ledger(), ImapServer()
    async with (
        serving(server),
        watching(ledger, settings(server.port, "ann"), addresses=[known]),
    ):
        await ledger.ready()
        await server.append(letter(1, sender=sender))
        await ledger.holds(1)


async def test_a_message_cannot_speak_imap() -> None:
    """What a message says is in no command that the server hears."""
    server = ImapServer()
    ledger = Ledger()
    evil = 'x"\r\n Z1 CREATE pwned\r\n'
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        raw = letter(1, subject=evil.replace("\r\n", "\r\n ").strip()).replace(b"<1@", b'<pwned"@')
        await server.append(raw)
        await ledger.until(lambda: bool(ledger.stored))
        await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
    assert not any("pwned" in line for line in server.heard)


async def test_a_password_in_any_script_is_sent_as_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOGIN knows ASCII only, so it is proved by AUTHENTICATE PLAIN."""
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", "Schlüssel")
    server = ImapServer()
    await taken(server)
    assert base64.b64encode("\0ann\0Schlüssel".encode()).decode() in server.heard
    assert not server.words("LOGIN")


async def test_a_missing_password_is_told_and_nobody_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOUSECARL_TEST_IMAP")
    ledger, server = Ledger(), ImapServer()
    async with serving(server), watching(ledger, settings(server.port, "ann"), refused=60):
        await ledger.until(lambda: bool(ledger.said))
    ok, text = ledger.said[0]
    assert not ok
    assert "HOUSECARL_TEST_IMAP" in text
    assert not server.heard


async def test_a_journal_that_cannot_be_read_is_told_until_it_can() -> None:
    ledger = Ledger(unread=StorageError("disk gone"))
    async with serving(ImapServer()) as server, watching(ledger, settings(server.port, "ann")):
        await ledger.until(lambda: bool(ledger.said))
        ledger.unread = None
        await ledger.ready()
    assert ledger.said[0] == (False, "127.0.0.1: the journal cannot be used: disk gone")


async def test_a_journal_that_cannot_be_written_keeps_no_mail_waiting() -> None:
    """How far the mailbox was read is forgotten, a message read twice is known."""
    ledger = Ledger()
    async with serving(ImapServer()) as server, watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        begun = dict(ledger.values)
        ledger.unkept = StorageError("disk full")
        with capture_logs() as logs:
            await server.append(letter(1))
            await ledger.holds(1)
            await server.append(letter(2))
            await ledger.holds(1, 2)
    assert {"event": "imap-not-kept", "why": "disk full", "log_level": "warning"} in logs
    assert ledger.values == begun


async def test_where_a_mailbox_begins_is_kept_before_it_is_called_watched() -> None:
    """Else the next connection would begin anew, behind what the spool has not taken yet."""
    ledger = Ledger(unkept=StorageError("disk full"))
    async with serving(ImapServer()) as server, watching(ledger, settings(server.port, "ann")):
        await ledger.until(lambda: bool(ledger.said))
        ledger.unkept = None
        await ledger.ready()
        ledger.unkept, ledger.fail = StorageError("disk full"), SpoolFull("no room")
        server.cuts["IDLE"] = 1
        await server.append(letter(1))
        await ledger.until(lambda: ledger.tries >= 1 and not server.cuts["IDLE"])
        ledger.unkept = ledger.fail = None
        await ledger.holds(1)
    assert ledger.said[0] == (False, "127.0.0.1: the journal cannot be used: disk full")


async def test_nonsense_of_a_server_is_told_until_it_speaks_imap() -> None:
    ledger, server = Ledger(), ImapServer(says={"UID SEARCH": "* SEARCH one two"})
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.until(lambda: bool(ledger.said))
        server.says.clear()
        await ledger.ready()
        await server.append(letter(1))
        await ledger.holds(1)
    assert ledger.said[0] == (False, "127.0.0.1: it says what cannot be read (ValueError)")


@pytest.mark.parametrize("date", ["25-Nov-2026 10:00:00 +9999", "31-Dec-9999 23:59:59 -1200"])
async def test_a_date_that_is_no_moment_in_time_is_taken_as_unknown(date: str) -> None:
    """Also after new numbers, when dates say what lay there before us."""
    ledger, server = Ledger(), ImapServer(date=date)
    async with serving(server):
        given = settings(server.port, "ann")
        async with watching(ledger, given):
            await ledger.ready()
            await server.append(letter(1))
            await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
        server.validity = 8
        await server.append(letter(2))
        async with watching(ledger, given):
            await ledger.holds(1, 2)
    assert [stamp.internal for _, stamp in ledger.stored] == ["", ""]
    assert all(ok for ok, _ in ledger.said)


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "said",
    ["* 1 FETCH (UID 1 BODY[]<0> {629145600}", "\r\n".join(["* OK " + "x" * 999_000] * 9)],
    ids=["literal", "lines"],
)
async def test_an_answer_without_end_is_not_read_into_memory(said: str) -> None:
    """That is told as a fault of this server's, and what it has is taken once it speaks sense."""
    ledger, server = Ledger(), ImapServer(says={"UID FETCH": said})
    async with serving(server):
        await server.append(letter(1))
        async with watching(ledger, settings(server.port, "ann", all_old=True)):
            await ledger.until(lambda: bool(ledger.said))
            server.says.clear()
            await ledger.holds(1)
            await ledger.ready()
    assert ledger.said[0] == (False, "127.0.0.1: its answer is larger than 8 MiB")


@pytest.mark.long
async def test_a_mailbox_of_more_than_a_hundred_thousand_messages_is_read() -> None:
    """Their numbers are one line of an answer, which imaplib gives up at a million bytes."""
    ledger, server = Ledger(), ImapServer(finds=range(1_000_000, 1_130_000), next_uid=2_000_000)
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        await server.append(letter(1))
        await ledger.holds(1)
    assert ledger.said == [(True, "INBOX of 127.0.0.1 is watched")]


async def test_one_message_that_the_server_cannot_read_keeps_no_other_waiting() -> None:
    ledger, server = Ledger(), ImapServer(broken={2})
    async with serving(server):
        for n in (1, 2, 3):
            await server.append(letter(n))
        with capture_logs() as logs:
            async with watching(ledger, settings(server.port, "ann", all_old=True)):
                await ledger.ready()
    assert ledger.ids == ["1", "3"]
    assert {entry["uid"] for entry in logs if entry["event"] == "imap-unreadable"} == {2}


@pytest.mark.parametrize(
    ("what", "capabilities"), [("broken", ALL), ("torn", ALL), ("broken", "NAMESPACE MOVE")]
)
async def test_what_the_server_would_not_give_is_asked_for_again(
    what: str, capabilities: str
) -> None:
    """Those behind it do not wait, and it is taken once the server has come to itself.

    Also where nobody looks for new mail in a while.
    """
    ledger, server = Ledger(), ImapServer(capabilities)
    refused: set[int] = getattr(server, what)
    refused |= {1, 2}

    def owed() -> dict[int, int]:
        (noted,) = ledger.values.values() or [{"owed": {}}]
        return dict(noted["owed"])

    async with serving(server):
        for n in (1, 2, 3):
            await server.append(letter(n))
        given = settings(server.port, "ann", all_old=True)
        async with watching(ledger, given, look=60, again=0.02, brief=0.02):
            await ledger.ready()
            await ledger.holds(3)
            await ledger.until(lambda: min(owed().values(), default=0) > 2)
            refused.clear()
            await ledger.until(lambda: len(ledger.ids) == 3)
            await ledger.until(lambda: not owed())
    assert sorted(ledger.ids) == ["1", "2", "3"]
    assert not server.inbox
    assert [ok for ok, _ in ledger.said] == [True]


async def test_a_message_that_comes_without_its_content_is_asked_for_again() -> None:
    ledger, server = Ledger(), ImapServer(empty={1})
    async with serving(server):
        await server.append(letter(1))
        await server.append(letter(2))
        async with watching(ledger, settings(server.port, "ann", all_old=True)):
            await ledger.ready()
            await ledger.holds(2)
            server.empty.clear()
            await ledger.holds(2, 1)


async def test_what_a_server_owes_outlives_the_door() -> None:
    """Its number lies behind us, and the next life asks for it all the same."""
    ledger, server = Ledger(), ImapServer(broken={1})
    async with serving(server):
        given = settings(server.port, "ann")
        async with watching(ledger, given):
            await ledger.ready()
            await server.append(letter(1))
            await server.append(letter(2))
            await ledger.until(lambda: any(v["last"] == 2 for v in ledger.values.values()))
        ledger.values = json.loads(json.dumps(ledger.values))
        server.broken.clear()
        async with watching(ledger, given):
            await ledger.holds(2, 1)


async def test_what_a_server_owes_is_nothing_once_its_numbers_are_new() -> None:
    """The same number means another message then, and the old one is found by its date."""
    ledger, server = Ledger(), ImapServer(broken={1})
    async with serving(server):
        given = settings(server.port, "ann")
        async with watching(ledger, given):
            await ledger.ready()
            await server.append(letter(1))
            await ledger.until(lambda: any(v["owed"] for v in ledger.values.values()))
        server.validity, server.date = 8, f"{SystemClock().now():%d-%b-%Y %H:%M:%S +0000}"
        server.broken.clear()
        async with watching(ledger, given):
            await ledger.until(lambda: any(v["validity"] == 8 for v in ledger.values.values()))
        assert ledger.ids == ["1"]
        assert [v["owed"] for v in ledger.values.values()] == [{}]


@pytest.mark.parametrize(("limit", "asked"), [("TRIES", 3), ("MOST", 0)])
async def test_what_is_never_given_is_given_up_and_told_once(
    limit: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks for it for ever, nor for more than the journal should remember."""
    monkeypatch.setattr(imap_owed, limit, asked)
    ledger, server = Ledger(), ImapServer(broken={1})
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        with capture_logs() as logs:
            await server.append(letter(1))
            await ledger.until(lambda: "would not give" in ledger.said[-1][1])
            await server.append(letter(2))
            await ledger.holds(2)
            await ledger.until(lambda: any(v["last"] == 2 for v in ledger.values.values()))
    assert len(server.words("UID FETCH 1 ")) == max(asked, 1)
    told = [entry["again"] for entry in logs if entry["event"] == "imap-unreadable"]
    assert told == ([True, False] if asked else [False])
    assert ledger.said[1:] == [
        (True, "INBOX of 127.0.0.1 is watched; a message that it would not give was left there")
    ]


async def test_a_full_spool_costs_no_try_of_what_a_server_owes() -> None:
    """One that is owed waits for room like any other, and is stored once."""
    ledger, server = Ledger(), ImapServer(broken={1}, permanent="\\Deleted", capabilities="IDLE")
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        await server.append(letter(1))
        await ledger.until(lambda: any(v["owed"] for v in ledger.values.values()))
        ledger.fail = SpoolFull("no room")
        server.broken.clear()
        await ledger.until(lambda: ledger.tries >= 3)
        assert [v["owed"] for v in ledger.values.values()] == [{1: 1}]
        ledger.fail = None
        await ledger.until(lambda: any(not v["owed"] for v in ledger.values.values()))
    assert ledger.ids == ["1"]


async def test_what_is_owed_says_nothing_of_what_lies_before_it() -> None:
    """That waits for room: it is read once there is some, whatever becomes of the other."""
    ledger, server = Ledger(), ImapServer(torn={2})
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        ledger.fail = SpoolFull("no room")
        for n in (1, 2):
            await server.append(letter(n))
        server.hears = ledger.changed
        await ledger.until(lambda: len(server.words("UID FETCH 2 ")) >= 4)  # asked for it again
        ledger.fail = None
        await ledger.until(lambda: "1" in ledger.ids)
        server.torn.clear()
        await ledger.until(lambda: "2" in ledger.ids)
    assert ledger.ids == ["1", "2"]


async def test_what_was_owed_when_the_connection_ended_says_nothing_of_it_either() -> None:
    """It was refused with its header, and the connection cut before all others were stored."""
    ledger, server = Ledger(fail=SpoolFull("no room")), ImapServer(broken={3})
    async with serving(server):
        for n in (1, 2, 3):
            await server.append(letter(n))
        given = settings(server.port, "ann")
        begun = {"validity": server.validity, "last": 1, "began": 0, "looked": 0}
        ledger.values[key_of(given)] = {**begun, "owed": {"3": 1}}
        async with watching(ledger, given):
            await ledger.until(lambda: ledger.tries >= 1)
            ledger.fail = None
            await ledger.holds(2)
            server.broken.clear()
            await ledger.holds(2, 3)


async def test_a_message_expunged_between_its_header_and_its_body_is_passed_over() -> None:
    ledger, server = Ledger(), ImapServer(gone={1})
    async with serving(server):
        await server.append(letter(1))
        await server.append(letter(2))
        async with watching(ledger, settings(server.port, "ann", all_old=True)):
            await ledger.ready()
    assert ledger.ids == ["2"]
    assert not server.words("UID MOVE 1")


@pytest.mark.parametrize("flag", ["\\Deleted", "\\Draft", "$Housecarl"])
async def test_what_is_done_with_or_was_never_sent_is_not_read(flag: str) -> None:
    ledger, server = Ledger(), ImapServer()
    async with serving(server):
        await server.append(letter(1), flag)
        await server.append(letter(2))
        async with watching(ledger, settings(server.port, "ann", all_old=True)):
            await ledger.ready()
    assert ledger.ids == ["2"]


@pytest.mark.parametrize("flag", ["\\Deleted", "\\Draft", "$Housecarl"])
async def test_what_another_client_changes_meanwhile_is_of_no_other_message(flag: str) -> None:
    """Its place in the mailbox (2) is the number (UID) of the one that is ours."""
    told = f"* 2 FETCH (FLAGS ({flag}))"
    server = ImapServer(adds=told, says={"UID MOVE": told})
    assert (await taken(server)).said == [(True, "INBOX of 127.0.0.1 is watched")]
    assert 2 not in server.inbox


async def test_a_server_may_find_messages_in_several_lines() -> None:
    """Any number of them, also without a number (RFC 3501 7.2.5)."""
    await taken(ImapServer(one_by_one=True))


@pytest.mark.parametrize("command", ["IDLE", "UID SEARCH"])
async def test_a_server_that_always_tells_of_mail_is_waited_on(command: str) -> None:
    """Three looks in vain, then we wait: a server that repeats itself must not keep us busy."""
    ledger = Ledger()
    server = ImapServer(says={command: "* 1 EXISTS"}, hears=ledger.changed)
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.until(lambda: bool(server.words("IDLE")))
        looks = len(server.words("UID SEARCH"))
        await server.append(letter(1))
        await ledger.holds(1)
    assert looks == (3 if command == "UID SEARCH" else 1)
    assert len(server.words("LOGIN")) == 1


async def test_a_message_that_is_larger_than_its_server_says_is_told() -> None:
    ledger, server = Ledger(), ImapServer(size=1000)
    async with serving(server):
        await server.append(letter(1, body="x" * (MAX_SIZE - len(letter(1, body="")))) + b"x")
        await server.append(letter(2, body="x" * (MAX_SIZE - len(letter(2, body="")))))
        async with watching(ledger, settings(server.port, "ann", all_old=True)):
            await ledger.ready()
            await ledger.until(lambda: "left there" in ledger.said[-1][1])
    assert ledger.ids == ["2"] and len(ledger.stored[0][0]) == MAX_SIZE


async def test_what_was_left_there_is_told_as_soon_as_it_can_be() -> None:
    """The house was being reopened when it was found, and the message is looked at no more."""
    ledger, server = Ledger(), ImapServer()
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        ledger.untold = StorageError("the house is being reopened")
        await server.append(letter(1, body="x\r\n" * 100_000))
        await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
        ledger.untold = None
        await ledger.until(lambda: "left there" in ledger.said[-1][1])
    assert len(server.words("LOGIN")) == 1


async def test_what_was_left_there_is_told_by_the_next_connection_too() -> None:
    """Servers end connections now and then, and nothing looks at that message any more."""
    ledger, server = Ledger(), ImapServer()
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        await server.append(letter(1, body="x\r\n" * 100_000))
        await ledger.until(lambda: "left there" in ledger.said[-1][1])
        server.cuts["IDLE"] = 1
        for number in (2, 3):  # the third is found by who was told to be watching
            await server.append(letter(number))
            await ledger.until(lambda number=number: str(number) in ledger.ids)  # type: ignore[misc]
    assert len(server.words("LOGIN")) > 1
    assert "left there" in ledger.said[-1][1]


async def test_a_connection_that_nobody_ends_is_found_dead_within_90_seconds() -> None:
    """A router forgets it, or the machine has slept: the kernel asks, however long an IDLE is."""
    ledger, server = Ledger(), ImapServer()
    async with serving(server), watching(ledger, settings(server.port, "ann")) as door:
        await ledger.ready()
        assert door._session is not None and door._session.opening.socket is not None
        ask = partial(door._session.opening.socket.getsockopt, socket.IPPROTO_TCP)
        assert door._session.opening.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        probes = ask(socket.TCP_KEEPINTVL) * ask(socket.TCP_KEEPCNT)
        assert ask(socket.TCP_KEEPIDLE) + probes <= 90


@pytest.mark.long
async def test_a_server_that_tells_of_mail_in_each_idle_is_asked_less_often() -> None:
    """What lies there and is not ours is told of again and again; what is ours is taken."""
    ledger = Ledger()
    server = ImapServer(hears=ledger.changed)
    async with serving(server), watching(ledger, settings(server.port, "ann"), again=0.3):
        await ledger.ready()
        await server.append(letter("foreign", sender="x@example.com"))
        await ledger.until(lambda: len(server.words("IDLE")) >= 4)
        began, idles = time.monotonic(), len(server.words("IDLE"))
        await ledger.until(lambda: len(server.words("IDLE")) >= idles + 3)
        assert time.monotonic() - began > 0.5
        await server.append(letter(1))
        await ledger.holds(1)


async def test_a_server_that_refuses_to_idle_is_read_all_the_same() -> None:
    """Each refusal ends the session, each new session takes what came; nobody is alarmed."""
    ledger, server = Ledger(), ImapServer(refuse={"IDLE"})
    async with serving(server), watching(ledger, settings(server.port, "ann"), read=60):
        await ledger.ready()
        await server.append(letter(1))
        await ledger.holds(1)
    assert [ok for ok, _ in ledger.said] == [True]


@pytest.mark.long(after=1)
@pytest.mark.parametrize("phase", ["UID SEARCH", "LOGIN", "NOOP"])
async def test_small_talk_is_no_answer(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dovecot says "Hang in there" while its storage hangs, however long that is."""
    monkeypatch.setattr(imap_socket, "ANSWER_SECONDS", 0.1)
    ledger = Ledger()
    server = ImapServer("MOVE" if phase == "NOOP" else ALL, endless=phase, hears=ledger.changed)
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.until(lambda: len(server.words("LOGIN")) >= 3)
        server.endless = ""
        await ledger.ready()
        await server.append(letter(1))
        await ledger.holds(1)
    assert phase == "NOOP" or ledger.said[0] == (False, "127.0.0.1: it talks and gives no answer")


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("phase", "begins", "drips"),
    [
        pytest.param("UID SEARCH", b"* 1 FETCH (BODY[] {99999}\r\n", b"x", id="literal"),
        pytest.param("UID SEARCH", b"* SEARCH ", b"1", id="line"),
        pytest.param("AUTHENTICATE", b"", b"+ \r\n", id="questions"),
    ],
)
async def test_an_answer_has_its_time_whatever_it_drips(
    phase: str, begins: bytes, drips: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then of what never ends, or one question after another, holds no door."""
    monkeypatch.setattr(imap_socket, "ANSWER_SECONDS", 0.1)
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", "gr\xfcn")  # more than ASCII is sent by AUTHENTICATE
    ledger = Ledger()
    server = ImapServer(endless=phase, begins=begins, drips=drips, hears=ledger.changed)
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.until(lambda: len(server.words("AUTHENTICATE")) >= 3)
        server.endless = ""
        await ledger.ready()
    assert ledger.said[0] == (False, "127.0.0.1: it talks and gives no answer")


async def test_mail_that_is_told_of_with_the_answer_to_idle_is_taken_at_once() -> None:
    """It is in one packet with it, and no longer in the socket."""
    ledger, server = Ledger(), ImapServer()

    class Heard(list[str]):
        """Mail comes between the look at the mailbox and the wait."""

        def append(self, line: str) -> None:
            super().append(line)
            if line == "IDLE" and not server.words("UID FETCH"):
                server.inbox[1], server.next_uid = Mail(letter(1)), 2

    server.heard = Heard()
    async with serving(server), watching(ledger, settings(server.port, "ann"), brief=60):
        await ledger.holds(1)


async def test_small_talk_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says "Still here" is not looked at; that mail came is heard amid it.

    However long it talks: it is we who end that answer.
    """
    ahead, check = 0.0, Line.idle_check

    def checked(line: Line, timeout: float | None = None) -> Any:
        nonlocal ahead
        ahead = imap_socket.ANSWER_SECONDS + 1
        return check(line, timeout)

    monkeypatch.setattr(Line, "idle_check", checked)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr(imap_socket, "time", clock)
    ledger = Ledger()
    server = ImapServer(chatty=0.005, hears=ledger.changed)
    async with (
        serving(server),
        watching(ledger, settings(server.port, "ann", idle="1h"), brief=3000),
    ):
        await ledger.until(lambda: server.chats >= 5)
        assert len(server.words("UID SEARCH")) == 1
        await server.append(letter(1))
        await ledger.holds(1)
    assert len(server.words("LOGIN")) == 1


def noting(found: list[int]) -> Patience:
    """A patience that has none, and notes how long each row of lost connections is."""

    class Noted(Patience):
        def after_cut(self, times: int) -> float:
            found.append(times)
            return 0.0

    return Noted()


@pytest.mark.parametrize(("steady", "rows"), [(0.0, [1, 1, 1]), (60.0, [1, 2, 3])])
async def test_a_connection_that_lasted_ends_the_row_of_lost_ones(
    steady: float, rows: list[int]
) -> None:
    """The waits grow with the row: a server that ends every good session is called again soon."""
    found: list[int] = []
    ledger = Ledger()
    server = ImapServer("", refuse={"NOOP"}, hears=ledger.changed)
    patience = noting(found)._replace(look=0.0, steady=steady)
    async with serving(server), watching(ledger, settings(server.port, "ann"), patience):
        await ledger.until(lambda: len(server.words("LOGIN")) >= 4)
    assert found[:3] == rows
    assert [ok for ok, _ in ledger.said] == [True]


def test_a_connection_that_comes_after_the_cut_is_ended_at_once() -> None:
    """The door was stopped while the socket was being connected."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        opening = Opening()
        opening.cut()
        opening.hold(ours)
        assert theirs.recv(1) == b""


async def test_a_door_that_was_never_opened_can_be_closed() -> None:
    ledger = Ledger()
    door = ImapDoor(
        settings(1, "ann"), [ANN], ledger.deliver, SystemClock(), ledger.tell, ledger, QUICK
    )
    await door.stop()
    assert not ledger.said


async def test_a_door_that_gets_no_session_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> Concern:
        raise ValueError("of our own making")

    monkeypatch.setattr("housecarl.doors.imap_concern.Concern", broken)
    ledger = Ledger()
    async with watching(ledger, settings(1, "ann"), first=60, last=60) as door:
        await ledger.until(lambda: bool(ledger.said))
    assert door._thread is not None
    assert not door._thread.is_alive()


async def test_a_door_of_our_own_making_breaks_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, thrice = list[int](), threading.Event()

    def broken(*given: object) -> Concern:
        if len(found) == 3:
            thrice.set()
        raise ValueError("of our own making")

    monkeypatch.setattr("housecarl.doors.imap_concern.Concern", broken)
    ledger = Ledger()
    with capture_logs():
        async with watching(ledger, settings(1, "ann"), noting(found)):
            assert await asyncio.to_thread(thrice.wait, 10.0)
    assert found[:3] == [1, 2, 3] and len(ledger.said) == 1


async def test_a_stop_does_not_wait_for_a_name_that_nobody_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look-up cannot be broken off: the door stops without its thread and says so."""
    asked, answered = threading.Event(), threading.Event()

    def look_up(*given: object, **more: object) -> list[Any]:
        asked.set()
        answered.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(imap, "STOP_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    ledger = Ledger()
    with capture_logs() as logs:
        async with watching(ledger, settings(1, "ann", host="mail.example")) as door:
            assert asked.wait(10)
    answered.set()
    assert "imap-stopped-late" in [entry["event"] for entry in logs]
    assert not ledger.said
    assert door._thread is not None
    door._thread.join(10)
    assert not door._thread.is_alive()
