"""The mailbox door on a real Dovecot."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.doors.dovecot import PASSWORD, Dovecot
from tests.doors.imap_peer import ANN, QUICK, Ledger, letter, settings, watching

from housecarl.errors import SpoolFull

pytestmark = pytest.mark.server("dovecot")

EXECUTED = "housecarl/executed"


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", PASSWORD)


def served(pair: tuple[Path, Path], more: str = "") -> Iterator[Dovecot]:
    root = Path(tempfile.mkdtemp(prefix="dv"))
    server = Dovecot(root, pair, more)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def dovecot(pair: tuple[Path, Path]) -> Iterator[Dovecot]:
    """One server for all tests that leave it alone; each is a user of its own."""
    yield from served(pair)


@pytest.fixture
def own(pair: tuple[Path, Path]) -> Iterator[Dovecot]:
    """A server to stop and to kill."""
    yield from served(pair)


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]


def inside(client: Any, folder: str) -> list[bytes]:
    """The subjects in a folder."""
    client.select_folder(folder)
    found = client.fetch(client.search(), ["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
    heads = [found[uid][b"BODY[HEADER.FIELDS (SUBJECT)]"] for uid in sorted(found)]
    return [head.removeprefix(b"Subject: ").strip() for head in heads]


async def test_what_concerns_us_is_stored_and_moved(dovecot: Dovecot, user: str) -> None:
    """Stored byte for byte with the server's date and number, then moved into its folder."""
    ledger = Ledger()
    async with watching(ledger, settings(dovecot.port, user)):
        await ledger.ready()
        with dovecot.client(user) as phone:
            phone.append("INBOX", letter(1))
            await ledger.holds(1)
            await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
            raw, stamp = ledger.stored[0]
            assert raw == letter(1).replace(letter(1).split(b"Date: ")[1], raw.split(b"Date: ")[1])
            validity = phone.select_folder("INBOX")[b"UIDVALIDITY"]
            assert (stamp.door, stamp.imap) == ("imap", f"{validity}.1")
            assert stamp.internal[:10] == time.strftime("%Y-%m-%d")
            assert inside(phone, "INBOX") == []
            assert inside(phone, EXECUTED) == [b"1"]


async def test_other_mail_keeps_its_place_and_its_flags(dovecot: Dovecot, user: str) -> None:
    ledger = Ledger()
    async with watching(ledger, settings(dovecot.port, user)):
        await ledger.ready()
        with dovecot.client(user) as phone:
            phone.append("INBOX", letter(1, sender="bank@example.com"))
            phone.append("INBOX", letter(2, sender=f"{ANN} <bank@example.com>"), [b"\\Flagged"])
            phone.append("INBOX", letter(3, sender=f"{ANN}, bank@example.com"), [b"\\Seen"])
            phone.append("INBOX", letter(4))
            await ledger.holds(4)
            await ledger.until(lambda: any(v["last"] == 4 for v in ledger.values.values()))
            phone.select_folder("INBOX")
            flags = phone.get_flags(phone.search())
            kept = {uid: set(f) - {b"\\Recent"} for uid, f in flags.items()}
            assert kept == {1: set(), 2: {b"\\Flagged"}, 3: {b"\\Seen"}}


async def test_googles_forms_and_rules_concern_us(dovecot: Dovecot, user: str) -> None:
    ledger = Ledger()
    rules = [{"from": "*@forwarder.example", "subject": "house*"}]
    async with watching(ledger, settings(dovecot.port, user, rules=rules)):
        await ledger.ready()
        with dovecot.client(user) as phone:
            for n, (sender, subject) in enumerate(
                (
                    ("18445550100.13035550123.dk1Z91JTlg@txt.voice.google.com", ""),
                    ("forwarding-noreply@google.com", ""),
                    ("voice-noreply@google.com", "New text message from (303) 555-0123"),
                    ("x@forwarder.example", "House calls"),
                    ("x@forwarder.example", "else"),
                    (ANN, "last"),
                )
            ):
                phone.append("INBOX", letter(n, sender=sender, subject=subject))
        await ledger.holds(0, 1, 2, 3, 5)


@pytest.mark.parametrize("all_old", [False, True])
async def test_old_mail_is_not_taken_unless_told(
    dovecot: Dovecot, user: str, all_old: bool
) -> None:
    ledger = Ledger()
    with dovecot.client(user) as phone:
        phone.append("INBOX", letter("old"))
        async with watching(ledger, settings(dovecot.port, user, all_old=all_old)):
            await ledger.ready()
            phone.append("INBOX", letter("new"))
            await ledger.holds(*(["old"] if all_old else []), "new")


async def test_what_came_while_the_door_was_closed_is_taken(dovecot: Dovecot, user: str) -> None:
    """Several at once, in their order, also a message that arrives twice."""
    ledger = Ledger()
    async with watching(ledger, settings(dovecot.port, user)):
        await ledger.ready()
    with dovecot.client(user) as phone:
        for n in (*range(30), 29):
            phone.append("INBOX", letter(n))
        async with watching(ledger, settings(dovecot.port, user)):
            await ledger.holds(*range(30), 29)
            await ledger.until(lambda: any(v["last"] == 31 for v in ledger.values.values()))
        assert inside(phone, "INBOX") == []
        assert len(inside(phone, EXECUTED)) == 31


async def test_a_large_message_is_left_and_told(dovecot: Dovecot, user: str) -> None:
    ledger = Ledger()
    async with watching(ledger, settings(dovecot.port, user)):
        await ledger.ready()
        with dovecot.client(user) as phone:
            phone.append("INBOX", letter(1, body="x" * 300 * 1024))
            await ledger.until(lambda: "300 KiB was left" in ledger.said[-1][1])
            assert ledger.said[-1][0]
            assert inside(phone, "INBOX") == [b"1"]
    assert not ledger.stored


async def test_a_full_spool_leaves_the_message_and_tries_again(dovecot: Dovecot, user: str) -> None:
    ledger = Ledger(fail=SpoolFull("no room"))
    async with watching(ledger, settings(dovecot.port, user)):
        await ledger.ready()
        with dovecot.client(user) as phone:
            phone.append("INBOX", letter(1))
            await ledger.until(lambda: ledger.tries >= 2)
            assert inside(phone, "INBOX") == [b"1"]
            ledger.fail = None
            await ledger.holds(1)
            await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
            assert inside(phone, EXECUTED) == [b"1"]


async def test_only_a_flag_where_moving_is_not_wanted(dovecot: Dovecot, user: str) -> None:
    ledger = Ledger()
    async with watching(ledger, settings(dovecot.port, user, move="flag")):
        await ledger.ready()
        with dovecot.client(user) as phone:
            phone.append("INBOX", letter(1))
            await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
            phone.select_folder("INBOX")
            assert b"$Housecarl" in phone.get_flags([1])[1]
            assert not phone.folder_exists(EXECUTED)


async def test_a_folder_name_in_any_script(dovecot: Dovecot, user: str) -> None:
    ledger = Ledger()
    with dovecot.client(user) as phone:
        phone.create_folder("Häuser")
        given = settings(dovecot.port, user, folder="Häuser", executed="été/済み & done")
        async with watching(ledger, given):
            await ledger.ready()
            phone.append("Häuser", letter(1))
            await ledger.until(lambda: any(v["last"] == 1 for v in ledger.values.values()))
        assert inside(phone, "été/済み & done") == [b"1"]


async def test_new_numbers_miss_nothing_and_wake_nothing_old(own: Dovecot, user: str) -> None:
    """After a change of UIDVALIDITY: what is new is taken, what lay there first is not."""
    ledger = Ledger()
    with own.client(user) as phone:
        long_ago = datetime.now(UTC) - timedelta(hours=3)
        phone.append("INBOX", letter("old"), msg_time=long_ago)
    async with watching(ledger, settings(own.port, user)):
        await ledger.ready()
        with own.client(user) as phone:
            before = phone.select_folder("INBOX")[b"UIDVALIDITY"]
    own.stop()
    own.renumber(user)
    own.start()
    with own.client(user) as phone:
        phone.append("INBOX", letter("new"))
        async with watching(ledger, settings(own.port, user)):
            await ledger.holds("new")
            await ledger.until(
                lambda: any(v["validity"] not in (0, before) for v in ledger.values.values())
            )
            phone.append("INBOX", letter("newer"))
            await ledger.holds("new", "newer")


async def test_an_expunge_under_us_harms_nobody(dovecot: Dovecot, user: str) -> None:
    """A message that vanishes between its header and its fetch is passed over."""
    ledger = Ledger(fail=SpoolFull("no room"))
    async with watching(ledger, settings(dovecot.port, user)):
        await ledger.ready()
        with dovecot.client(user) as phone:
            phone.append("INBOX", letter(1))
            await ledger.until(lambda: ledger.tries >= 1)
            phone.select_folder("INBOX")
            phone.delete_messages([1])
            phone.expunge([1])
            ledger.fail = None
            phone.append("INBOX", letter(2))
            await ledger.until(lambda: "2" in ledger.ids)
    assert ledger.ids in (["2"], ["1", "2"])


async def test_a_restart_amid_idle_is_survived(own: Dovecot, user: str) -> None:
    """Away is told once, back is told once, and what came meanwhile is taken."""
    ledger = Ledger()
    async with watching(ledger, settings(own.port, user)):
        await ledger.ready()
        own.stop(signal.SIGKILL)
        await ledger.until(lambda: not ledger.said[-1][0])
        own.start()
        with own.client(user) as phone:
            phone.append("INBOX", letter(1))
        await ledger.holds(1)
        await ledger.ready()
    assert [ok for ok, _ in ledger.said] == [True, False, True]


@pytest.mark.long
async def test_a_stalled_server_is_found_by_the_deadline(own: Dovecot, user: str) -> None:
    """IDLE looks healthy on a stopped server; ending it does not."""
    ledger = Ledger()
    given = settings(own.port, user, poll="1s", idle="1s")
    async with watching(ledger, given, read=0.3, connect=0.3):
        await ledger.ready()
        own.send(signal.SIGSTOP)
        await ledger.until(lambda: not ledger.said[-1][0])
        assert "does not answer" in ledger.said[-1][1]
        own.send(signal.SIGCONT)
        await ledger.ready()
        with own.client(user) as phone:
            phone.append("INBOX", letter(1))
        await ledger.holds(1)


async def test_a_stop_takes_no_longer_when_the_server_hangs(own: Dovecot, user: str) -> None:
    ledger = Ledger()
    async with watching(ledger, settings(own.port, user)) as door:
        await ledger.ready()
        own.send(signal.SIGSTOP)
        began = time.monotonic()
        await door.stop()
        assert time.monotonic() - began < 10
        assert door._thread is not None
        assert not door._thread.is_alive()


async def test_tls_is_verified(dovecot: Dovecot, user: str, pair: tuple[Path, Path]) -> None:
    """An authority of our own is trusted when named; without it there is no connection.

    The connection is cut at a stop, also where it was another socket before STARTTLS.
    """
    for tls, port in (("tls", dovecot.port_tls), ("starttls", dovecot.port)):
        ledger = Ledger()
        given = settings(port, user, host="localhost", tls=tls, ca=pair[0])
        async with watching(ledger, given) as door:
            await ledger.ready()
        assert door._thread is not None and not door._thread.is_alive()
        ledger = Ledger()
        given = given.model_copy(update={"ca": None})
        async with watching(ledger, given):
            await ledger.until(partial(bool, ledger.said))
            assert "certificate is not trusted" in ledger.said[0][1]


@pytest.mark.long
async def test_a_wrong_password_is_told_and_not_hammered(
    dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", "a-wrong-secret")
    ledger = Ledger()
    async with watching(ledger, settings(dovecot.port, user), refused=30):
        await ledger.until(lambda: bool(ledger.said))
        assert "refused" in ledger.said[0][1]
        assert PASSWORD not in ledger.said[0][1]
        assert "a-wrong-secret" not in ledger.said[0][1]
    assert min(QUICK.after_refusal(n) for n in range(1, 6)) >= 0.3


@pytest.mark.long
async def test_servers_killed_again_and_again_lose_nothing(own: Dovecot, user: str) -> None:
    """Five rounds of SIGKILL while mail arrives; the long form is in benchmarks/mailbox.py."""
    ledger, n = Ledger(), 0
    async with watching(ledger, settings(own.port, user)):
        await ledger.ready()
        for _ in range(5):
            with own.client(user) as phone:
                for _ in range(10):
                    phone.append("INBOX", letter(n))
                    n += 1
            own.stop(signal.SIGKILL)
            own.start()
        await ledger.until(lambda: any(v["last"] == n for v in ledger.values.values()))
        assert sorted(set(ledger.ids), key=int) == [str(each) for each in range(n)]
        with own.client(user) as phone:
            assert inside(phone, "INBOX") == []


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays() -> Iterator[None]:
    """No thread of a door outlives its test."""
    yield
    assert [t.name for t in threading.enumerate() if t.name == "imap door"] == []
