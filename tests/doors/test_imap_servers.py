"""The mailbox door on servers that know less, break off, or say nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.doors.imap_peer import Ledger, letter, settings, watching
from tests.doors.imap_server import ALL, ImapServer, serving


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
    assert (2 in server.inbox) == ("STORE" in how and "\\Deleted" not in how)


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


async def test_a_move_that_is_insisted_on_and_not_offered_is_told() -> None:
    """With `move: move` a server that cannot is trouble to be told."""
    ledger = Ledger()
    server = ImapServer("IDLE")
    async with serving(server), watching(ledger, settings(server.port, "ann", move="move")):
        await ledger.until(lambda: bool(ledger.said))
    assert not ledger.said[0][0]
    assert "set move: flag" in ledger.said[0][1]


@pytest.mark.parametrize(
    ("delimiter", "prefix", "capabilities", "name"),
    [
        (".", "INBOX.", "NAMESPACE MOVE", "INBOX.housecarl.executed"),
        (".", "", "MOVE", "housecarl.executed"),
        ("", "", "MOVE", "housecarl-executed"),
    ],
)
async def test_the_folder_is_named_as_the_server_likes(
    delimiter: str, prefix: str, capabilities: str, name: str
) -> None:
    server = ImapServer(capabilities, delimiter=delimiter, prefix=prefix)
    await taken(server)
    assert list(server.folders) == [name]
    assert len(server.folders[name]) == 1


async def test_a_server_that_does_not_tell_the_next_number_still_gives_only_what_is_new() -> None:
    server = ImapServer(tells_next=False)
    await server.append(letter("old"))
    ledger = Ledger()
    async with serving(server), watching(ledger, settings(server.port, "ann")):
        await ledger.ready()
        await server.append(letter("new"))
        await ledger.holds("new")


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
            assert time.monotonic() - began < 1
            assert door._thread is not None
            assert not door._thread.is_alive()


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
